import type { Command } from "commander";
import { processEnvironment } from "../../config/process-environment.ts";
import { UnusableConfigurationError } from "../../config/unusable-configuration-error.ts";
import { CliError } from "../cli-error.ts";
import { loadLocalPart } from "../local-part.ts";
import { checkLines, faultOfReport } from "../show/check-lines.ts";
import { jsonText, print } from "../show/terminal.ts";
import { sinceTime, wholeNumber } from "../usage/options.ts";

interface Options {
  readonly since?: number;
  readonly timeLimit: number;
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
    .option("--state <dir>", "folder of the local stack; else .automation upwards from here, else the clone's")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nIt reads what AUTOMATION_POSTGRES_URL names, as the role automation_check; without it, the local stack. Exit 0: all holds; 1: a finding, or nothing was seen; 3: the time limit passed.",
    )
    .action(run);
}

async function run({ since, timeLimit, state, json }: Options): Promise<void> {
  const environment = await environmentOf(state);
  const { main } = await import("../../processes/check.ts");
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(1_000 * timeLimit)]);
  const wanted = { since: since === undefined ? undefined : new Date(since), signal };
  const report = await main(environment, wanted).catch((error: unknown) => {
    throw unreadable(error);
  });
  if (json) print(jsonText(report));
  else for (const line of checkLines(report)) print(line);
  const fault = faultOfReport(report);
  if (fault !== undefined) throw new CliError(fault.exitCode, fault.text, fault);
}

function unreadable(cause: unknown): CliError {
  const why = cause instanceof Error ? cause.message : String(cause);
  if (cause instanceof UnusableConfigurationError) return new CliError(2, why, { cause });
  const remedy = "see that it runs, and that AUTOMATION_POSTGRES_URL and its password are those of automation_check";
  return new CliError(3, `the database can't be read: ${why}`, { remedy, cause });
}

/** What the process is told, or what the local stack would tell it. */
async function environmentOf(state: string | undefined): Promise<NodeJS.ProcessEnv> {
  const own = processEnvironment();
  if (state === undefined && own.AUTOMATION_POSTGRES_URL !== undefined) return own;
  const { checkEnvironment } = await loadLocalPart(
    () => import("../../../local/up/check-environment.ts"),
    "set AUTOMATION_POSTGRES_URL and AUTOMATION_POSTGRES_PASSWORD_FILE",
  );
  return checkEnvironment(process.cwd(), state);
}
