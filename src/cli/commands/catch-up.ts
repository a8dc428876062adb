import type { Command } from "commander";
import { processEnvironment } from "../../config/process-environment.ts";
import { UnusableConfigurationError } from "../../config/unusable-configuration-error.ts";
import { CliError } from "../cli-error.ts";
import { catchUpLines } from "../show/catch-up-lines.ts";
import { jsonText, print } from "../show/terminal.ts";

/** `automation catch-up`: what follows a restore of Postgres. */
export function define(command: Command): void {
  command
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nIt is told what a dispatcher is told, by the same variables, and runs while no dispatcher does. Exit 1: dispatchers run; 3: an engine does not answer.",
    )
    .action(run);
}

async function run({ json }: { readonly json?: boolean }): Promise<void> {
  const { main } = await import("../../processes/catch-up.ts");
  const report = await main(processEnvironment()).catch((error: unknown) => {
    throw faultOf(error);
  });
  if (json) print(jsonText(report));
  else for (const line of catchUpLines(report)) print(line);
}

function faultOf(cause: unknown): CliError {
  const why = cause instanceof Error ? cause.message : String(cause);
  if (cause instanceof UnusableConfigurationError) return new CliError(2, why, { cause });
  if (cause instanceof Error && "code" in cause && cause.code === "dispatchers_run")
    return new CliError(1, why, { code: "dispatchers_run", cause });
  const remedy = "see that Postgres, the buses and Temporal run, and that the variables are those of a dispatcher";
  return new CliError(3, `it can't be caught up: ${why}`, { remedy, cause });
}
