import type { Environment } from "../config/environment.ts";
import type { SecretFiles } from "../config/secret-files.ts";
import { linesOf } from "../config/secret-files.ts";
import type { Login } from "../drivers/postgres/login.ts";

/** How a process logs in to its database. @throws UnusableSecretError */
export function databaseLoginOf(
  environment: Pick<Environment<"api">, "AUTOMATION_POSTGRES_URL" | "AUTOMATION_POSTGRES_PASSWORD_FILE">,
  secrets: SecretFiles,
): Login {
  const { AUTOMATION_POSTGRES_URL: url, AUTOMATION_POSTGRES_PASSWORD_FILE: file } = environment;
  if (file === undefined) return { url };
  return { url, passwords: secrets.open("database", [file], passwordsIn) };
}

/** @returns passwords to try, in order: the new one, and while it is changed the one before */
export function passwordsIn([text = ""]: readonly string[]): readonly string[] {
  const lines = linesOf(text);
  if (lines.length > 2) throw new Error("it must hold one password, or two while it is changed");
  return lines;
}
