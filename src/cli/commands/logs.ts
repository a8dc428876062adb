import type { Command } from "commander";
import { Argument, Option } from "commander";
import type { LogsOptions } from "../../../local/logs/logs.ts";
import { loadLocalPart } from "../local-part.ts";
import { withExample } from "../usage/explain-usage.ts";
import { sinceTime, wholeNumber } from "../usage/options.ts";

/** `automation logs`: what the processes and engines of the local stack have written. */
export function define(command: Command): void {
  command
    .addArgument(new Argument("[process...]", "only these processes, for example api kafka"))
    .option("--follow", "continue with new entries, until Ctrl-C")
    .addOption(
      new Option(
        "--since <time>",
        "entries since 30s, 10m, 2h or 1d ago, or since a time such as 2026-01-31T12:00:00Z",
      ).argParser(sinceTime(() => Date.now())),
    )
    .addOption(
      new Option("--level <level>", "entries of this level and worse")
        .choices(["debug", "info", "warn", "error", "fatal"])
        .default("debug"),
    )
    .addOption(
      new Option("--lines <n>", "only the last N entries; default: 100, with --since all").argParser(
        wholeNumber(0, 1_000_000),
      ),
    )
    .option("--state <dir>", "folder of the local stack; else .automation upwards from here, else the clone's")
    .option("--json", "print JSON, one object a line, as written by the process");
  withExample(command, "api worker --since 10m --level warn").action(
    async (processes: readonly string[], options: LogsOptions) => {
      const { showLogs } = await loadLocalPart(() => import("../../../local/logs/logs.ts"));
      await showLogs(processes, options);
    },
  );
}
