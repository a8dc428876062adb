import pg from "pg";
import { parseIntoClientConfig } from "pg-connection-string";

/** Where the database is, and how a role logs in. */
export interface Login {
  readonly url: string;
  /** The role's passwords, asked for at each new connection; the URL's own password counts when this is not given. While a password is changed there are two: the server takes one of them. */
  readonly passwords?: () => readonly string[];
}

const probeLimitMs = 1_500;

/** @returns settings of a connection that logs in with the password as it is at that moment */
export function clientConfigOf({ url, passwords }: Login): pg.ClientConfig {
  const config = parseIntoClientConfig(url);
  if (passwords === undefined) return config;
  return { ...config, password: () => takenPassword(config, passwords()) };
}

/** @returns the first password that the server does not refuse, or the last one */
async function takenPassword(config: pg.ClientConfig, passwords: readonly string[]): Promise<string> {
  const [password = "", ...others] = passwords;
  if (others.length === 0 || !(await isRefused({ ...config, password }))) return password;
  return takenPassword(config, others);
}

const invalidPassword = "28P01";

async function isRefused(config: pg.ClientConfig): Promise<boolean> {
  const client = new pg.Client({ ...config, connectionTimeoutMillis: probeLimitMs });
  client.on("error", () => undefined); // the connection that asks finds out itself
  try {
    await client.connect();
    return false;
  } catch (error) {
    return error instanceof pg.DatabaseError && error.code === invalidPassword;
  } finally {
    await client.end().catch(() => undefined);
  }
}
