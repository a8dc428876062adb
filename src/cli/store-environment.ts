import { processEnvironment } from "../config/process-environment.ts";
import { UnusableConfigurationError } from "../config/unusable-configuration-error.ts";
import { CliError } from "./cli-error.ts";
import { loadLocalPart } from "./local-part.ts";

/** What names the stores that a command for operators works on: the environment, or the local stack. @throws CliError 3 when there is neither */
export async function storeEnvironment(state: string | undefined): Promise<NodeJS.ProcessEnv> {
  const own = processEnvironment();
  if (state === undefined && own.AUTOMATION_POSTGRES_URL !== undefined) return own;
  const { checkEnvironment } = await loadLocalPart(
    () => import("../../local/up/check-environment.ts"),
    "set AUTOMATION_POSTGRES_URL and AUTOMATION_POSTGRES_PASSWORD_FILE",
  );
  return checkEnvironment(process.cwd(), state);
}

/** @returns why a store can't be used */
export function unreadable(cause: unknown): CliError {
  const why = cause instanceof Error ? cause.message : String(cause);
  if (cause instanceof UnusableConfigurationError) return new CliError(2, why, { cause });
  const remedy = "see that it runs, and that the addresses and credentials in the environment are right";
  return new CliError(3, `what is to be looked at does not answer: ${why}`, { remedy, cause });
}
