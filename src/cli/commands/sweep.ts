import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { CliError } from "../cli-error.ts";
import { tableLines } from "../show/output.ts";
import { jsonText, print } from "../show/terminal.ts";
import { storeEnvironment, unreadable } from "../store-environment.ts";
import { sinceTime } from "../usage/options.ts";

const dayMs = 86_400_000;

interface Options {
  readonly olderThan?: number;
  readonly dryRun?: boolean;
  readonly state?: string;
  readonly json?: boolean;
}

/** `automation sweep`: what lies in the object store and belongs to nothing. */
export function define(command: Command): void {
  command
    .option("--older-than <time>", "only objects stored before then, at least 1d ago; else 1d", longAgo)
    .option("--dry-run", "remove nothing, and show what would be removed")
    .option("--state <dir>", "folder of the local stack; else .automation upwards from here, else the clone's")
    .option("--json", "print JSON, an object a line")
    .action(run);
}

/** A run that uploads now, or whose end can't be written yet, has its time. */
function longAgo(text: string): number {
  const at = sinceTime(Date.now)(text);
  if (at <= Date.now() - dayMs) return at;
  throw new InvalidArgumentError(
    "Give a time at least a day ago, such as 1d or 30d: what is younger may be named yet.",
  );
}

async function run({ olderThan = Date.now() - dayMs, dryRun = false, state, json }: Options): Promise<void> {
  const environment = await storeEnvironment(state);
  const { main } = await import("../../processes/sweep.ts");
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
  let [seen, count, bytes] = [0, 0, 0];
  try {
    for await (const page of main(environment, {
      olderThan: new Date(olderThan),
      isDryRun: dryRun,
      signal: stop.signal,
    })) {
      seen += page.seen;
      count += page.removed.length;
      for (const { sizeBytes } of page.removed) bytes += sizeBytes;
      if (json) for (const orphan of page.removed) print(jsonText(orphan));
      else if (page.removed.length > 0)
        for (const line of tableLines(page.removed, [
          { title: dryRun ? "WOULD BE REMOVED" : "REMOVED", of: ({ key }) => key },
          { title: "BYTES", of: ({ sizeBytes }) => sizeBytes },
          { title: "STORED", of: ({ storedAt }) => storedAt.toISOString() },
        ]))
          print(line);
    }
  } catch (error) {
    throw unreadable(error);
  }
  const done = dryRun ? "would be removed" : "removed";
  if (!json) print(`${count} of ${seen} objects ${done}, ${bytes} bytes`);
  if (stop.signal.aborted)
    throw new CliError(3, "it ended before it had seen everything", { code: "not_whole", remedy: "start it again" });
}
