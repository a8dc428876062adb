import type { Command } from "commander";
import { CliError } from "../cli-error.ts";
import { jsonText, print } from "../show/terminal.ts";
import { relayEnvironment, unreadable } from "../store-environment.ts";
import { sinceTime } from "../usage/options.ts";

interface Options {
  readonly since: number;
  readonly dryRun?: boolean;
  readonly state?: string;
  readonly json?: boolean;
}

/** `automation republish`: run events once more. */
export function define(command: Command): void {
  command
    .requiredOption("--since <time>", "events since then: how long ago, such as 7d, or a time", sinceTime(Date.now))
    .option("--dry-run", "publish nothing, and count what would be published")
    .option("--state <dir>", "folder of the local stack; else .automation upwards from here, else the clone's")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nIt is told what a relay is told, by the same variables; without them, the local stack. Exit 3: Postgres or the bus does not answer, or it was interrupted.",
    )
    .action(run);
}

async function run({ since, dryRun = false, state, json }: Options): Promise<void> {
  const environment = await relayEnvironment(state);
  const { main } = await import("../../processes/republish.ts");
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
  const wanted = { since: new Date(since), isDryRun: dryRun, signal: stop.signal };
  let [read, events] = [0, 0];
  try {
    for await (const page of main(environment, wanted)) {
      read += page.read;
      events += page.events;
    }
  } catch (error) {
    throw unreadable(error);
  }
  if (stop.signal.aborted)
    throw new CliError(3, `it was interrupted after ${events} events`, {
      code: "not_whole",
      remedy: "start it again: consumers know the events by their ids",
    });
  if (json) print(jsonText({ read, events, isDryRun: dryRun }));
  else print(`${events} of ${read} events ${dryRun ? "would be" : "are"} published again`);
}
