import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setInterval } from "node:timers/promises";
import { CliError } from "../../src/cli/cli-error.ts";
import { untilInterrupted } from "../../src/cli/interrupt.ts";
import { print, printError } from "../../src/cli/show/terminal.ts";
import { findStateDir } from "../up/running-stack.ts";
import type { GrowingFile } from "./growing-file.ts";
import { openGrowing } from "./growing-file.ts";
import type { Level, LogEntry } from "./log-entry.ts";
import { createEntryReader, jsonLine, levels, prettyLines } from "./log-entry.ts";

export interface LogsOptions {
  follow?: boolean;
  since?: number;
  level: Level;
  lines?: number;
  state?: string;
  json?: boolean;
}

/** Read of each log: a stack sets a log aside that is longer than 32 MiB when it starts. */
const lastBytes = 32 * 1024 * 1024;
const lookMs = 200;

/** Prints what the processes and engines of the local stack have written; with `follow` what they write, too. */
export async function showLogs(processes: readonly string[], options: LogsOptions): Promise<void> {
  const folder = join(findStateDir(process.cwd(), options.state), "logs");
  const known = namesIn(folder);
  if (known.length === 0)
    throw new CliError(3, `there are no logs in ${folder}`, { remedy: "start a stack with `automation up`" });
  const unknown = processes.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new CliError(2, `there is no log of ${JSON.stringify(unknown)}`, {
      remedy: `name some of ${known.join(", ")}`,
    });
  const wanted = () => namesIn(folder).filter((name) => processes.length === 0 || processes.includes(name));
  const read = createReader(folder, options);
  const tell = (entries: readonly LogEntry[]) => {
    const today = new Date().toISOString().slice(0, 10);
    const width = Math.max(...known.map((name) => name.length));
    for (const entry of entries) {
      if (options.json) print(jsonLine(entry));
      else for (const line of prettyLines(entry, width, today)) print(line);
    }
  };
  const most = options.lines ?? (options.since === undefined ? 100 : Number.POSITIVE_INFINITY);
  const found = read(wanted());
  if (found.length === 0) printError("none");
  tell(found.slice(-most || Number.POSITIVE_INFINITY));
  if (!options.follow) return;
  await untilInterrupted(async (signal) => {
    for await (const _ of setInterval(lookMs, undefined, { signal })) tell(read(wanted()));
  });
}

/** @returns a function that reads what is new in logs, in the order of its times */
function createReader(folder: string, { since, level }: LogsOptions) {
  const open = new Map<string, { file: GrowingFile; read: ReturnType<typeof createEntryReader> }>();
  const worst = levels.indexOf(level);
  return (names: readonly string[]): LogEntry[] =>
    names
      .flatMap((name) => {
        const log = open.get(name) ?? {
          file: openGrowing(join(folder, `${name}.log`), lastBytes),
          read: createEntryReader(name),
        };
        open.set(name, log);
        return log.read(log.file.next());
      })
      .filter((entry) => levels.indexOf(entry.level) >= worst && (since === undefined || (entry.at ?? 0) >= since))
      .toSorted((a, b) => (a.at ?? 0) - (b.at ?? 0));
}

function namesIn(folder: string): string[] {
  if (statSync(folder, { throwIfNoEntry: false }) === undefined) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".log"))
    .map((name) => name.slice(0, -".log".length))
    .toSorted();
}
