import type { Command } from "commander";
import { CliError } from "../cli-error.ts";
import { checkLines, faultOfReport, watchLines } from "../show/check-lines.ts";
import { jsonText, print, printError } from "../show/terminal.ts";
import { storeEnvironment, unreadable } from "../store-environment.ts";
import { sinceTime, wholeNumber } from "../usage/options.ts";

interface Options {
  readonly since?: number;
  readonly timeLimit: number;
  readonly watch?: boolean;
  readonly every: number;
  readonly state?: string;
  readonly json?: boolean;
}

/** `automation check`: whether what must always be true is true. */
export function define(command: Command): void {
  command
    .option(
      "--since <time>",
      "only what came since then: how long ago, such as 2h, or a time; else all",
      sinceTime(Date.now),
    )
    .option("--time-limit <seconds>", "end after this long, whatever is left", wholeNumber(1, 86_400), 600)
    .option("--watch", "look again and again, and serve what is found as metrics")
    .option("--every <seconds>", "with --watch: pause between two looks", wholeNumber(1, 86_400), 60)
    .option("--state <dir>", "folder of the local stack; else .automation upwards from here, else the clone's")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nIt reads what the environment names, AUTOMATION_POSTGRES_URL and so on; without it, the local stack. Exit 0: all holds; 1: a finding, or nothing was seen; 3: the time limit passed.",
    )
    .action(run);
}

async function run(options: Options): Promise<void> {
  const { since, timeLimit, json, watch, every } = options;
  if (watch && since !== undefined)
    throw new CliError(2, "--since and --watch are given: a watch finds out itself since when to look", {
      remedy: "leave one of them out",
    });
  const environment = await storeEnvironment(options.state);
  const check = await import("../../processes/check.ts");
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
  const limitMs = 1_000 * timeLimit;
  if (!watch) {
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(limitMs)]);
    const wanted = { since: since === undefined ? undefined : new Date(since), signal };
    const report = await check.main(environment, wanted).catch((error: unknown) => {
      throw unreadable(error);
    });
    if (json) print(jsonText(report));
    else for (const line of checkLines(report)) print(line);
    const fault = faultOfReport(report);
    if (fault !== undefined) throw new CliError(fault.exitCode, fault.text, fault);
    return;
  }
  try {
    for await (const report of check.watch(environment, { everyMs: 1_000 * every, limitMs, signal: stop.signal })) {
      if (report instanceof Error) printError(unreadable(report).message);
      else if (json) print(jsonText(report));
      else for (const line of watchLines(report)) print(line);
    }
  } catch (error) {
    throw unreadable(error);
  }
}
