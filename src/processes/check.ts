import type { CheckReport } from "../check/check.ts";
import { check } from "../check/check.ts";
import { readEnvironment } from "../config/environment.ts";
import { createSecretFiles } from "../config/secret-files.ts";
import { createSnapshots } from "../drivers/postgres/in-scope.ts";
import { createPool } from "../drivers/postgres/pool.ts";
import { databaseLoginOf } from "./database-login.ts";

/** Looks once at what the environment names. @param wanted.signal - ends it after the page at hand */
export async function main(
  source: NodeJS.ProcessEnv,
  wanted: { readonly since?: Date | undefined; readonly signal: AbortSignal },
): Promise<CheckReport> {
  const environment = readEnvironment("check", source);
  const login = databaseLoginOf(environment, createSecretFiles(ignoreUnusable));
  const pool = createPool({ ...login, applicationName: "automation-check", max: 2, onError: () => undefined });
  try {
    return await check(createSnapshots(pool), wanted);
  } finally {
    await pool.end();
  }
}

/** A file that is unusable at the start throws; that it becomes so later is of no matter to a process that ends. */
const ignoreUnusable = () => undefined;
