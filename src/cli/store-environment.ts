import { processEnvironment } from "../config/process-environment.ts";
import { UnusableConfigurationError } from "../config/unusable-configuration-error.ts";
import { CliError } from "./cli-error.ts";
import { loadLocalPart } from "./local-part.ts";

/** What a check or a sweep is told: the environment, or what the local stack would tell it. @throws CliError 3 when there is neither */
export const storeEnvironment = (state: string | undefined): Promise<NodeJS.ProcessEnv> =>
  environmentOf(state, async () => (await import("../../local/up/command-environment.ts")).checkEnvironment);

/** The same of what a relay is told. */
export const relayEnvironment = (state: string | undefined): Promise<NodeJS.ProcessEnv> =>
  environmentOf(state, async () => (await import("../../local/up/command-environment.ts")).relayEnvironment);

async function environmentOf(
  state: string | undefined,
  load: () => Promise<(from: string, dir: string | undefined) => NodeJS.ProcessEnv>,
): Promise<NodeJS.ProcessEnv> {
  const own = processEnvironment();
  if (state === undefined && own.AUTOMATION_POSTGRES_URL !== undefined) return own;
  const ofStack = await loadLocalPart(load, "set AUTOMATION_POSTGRES_URL and what belongs to it");
  return ofStack(process.cwd(), state);
}

/** @returns why a store can't be used */
export function unreadable(cause: unknown): CliError {
  const why = cause instanceof Error ? cause.message : String(cause);
  if (cause instanceof UnusableConfigurationError) return new CliError(2, why, { cause });
  const remedy = "see that it runs, and that the addresses and credentials in the environment are right";
  return new CliError(3, `what is to be looked at does not answer: ${why}`, { remedy, cause });
}
