import type { Command } from "commander";
import { Argument, Option } from "commander";
import type { LogsOptions } from "../../../local/logs/logs.ts";
import { loadLocalPart } from "../local-part.ts";
import { withExample } from "../usage/explain-usage.ts";
import { sinceTime, wholeNumber } from "../usage/options.ts";

/** `automation logs`: what the processes and engines of the local stack have written. */
export function define(command: Command): void {
  command
    .addArgument(new Argument("[process...]", "only these, for example api kafka"))
    .option("--follow", "go on with what is written, until Ctrl-C")
    .addOption(
      new Option(
        "--since <time>",
        "from then on: 30s, 10m, 2h, 1d ago, or a time such as 2026-01-31T12:00:00Z",
      ).argParser(sinceTime(() => Date.now())),
    )
    .addOption(
      new Option("--level <level>", "this and worse")
        .choices(["debug", "info", "warn", "error", "fatal"])
        .default("debug"),
    )
    .addOption(
      new Option("--lines <n>", "so many entries, the last ones; 100 unless told, all with --since").argParser(
        wholeNumber(0, 1_000_000),
      ),
    )
    .option("--state <dir>", "folder of the local stack; else .automation upwards from here, else the clone's")
    .option("--json", "print JSON, one object a line, as it was written");
  withExample(command, "api worker --since 10m --level warn").action(
    async (processes: readonly string[], options: LogsOptions) => {
      const { showLogs } = await loadLocalPart(() => import("../../../local/logs/logs.ts"));
      await showLogs(processes, options);
    },
  );
}
