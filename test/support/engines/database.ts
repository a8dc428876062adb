import type { Pool } from "pg";
import pg from "pg";
import type { Role } from "../../../src/drivers/postgres/migrate.ts";
import { migrateDatabase, roleName, roles } from "../../../src/drivers/postgres/migrate.ts";
import { createPool } from "../../../src/drivers/postgres/pool.ts";

export interface TestDatabase {
  /** Of the superuser. */
  readonly url: string;
  /** Sees every row, and writes what no trigger would let through: what a test begins with, or alters on purpose. */
  readonly superuserUrl: string;
  urlOf(role: Role): string;
  /** Pool of one process's role; closed by `close`. */
  poolOf(role: Role): Pool;
  close(): Promise<void>;
}

const template = "migrated";
const passwords = Object.fromEntries(roles.map((role) => [role, `${role}-password`])) as Record<Role, string>;

/** Migrates a database that `createDatabase` copies from then on. */
export async function makeTemplate(serverUrl: string): Promise<void> {
  await onServer(serverUrl, (server) => server.query(`create database ${template}`));
  await migrateDatabase({ admin: { url: withPath(serverUrl, template) }, passwords, log: () => undefined });
}

/** A migrated database of its own on a running server, so that tests can't see each other's rows. */
export async function createDatabase(serverUrl: string): Promise<TestDatabase> {
  const name = `test_${crypto.randomUUID().replaceAll("-", "")}`;
  const isCopied = await onServer(serverUrl, async (server) => {
    const { rowCount } = await server.query("select from pg_database where datname = $1", [template]);
    const from = rowCount === 1 ? `template ${template} owner ${roleName("migrate")}` : "";
    await server.query(`create database ${name} ${from}`);
    return rowCount === 1;
  });
  const databaseUrl = withPath(serverUrl, name);
  if (!isCopied) await migrateDatabase({ admin: { url: databaseUrl }, passwords, log: () => undefined });
  const pools: Pool[] = [];
  const urlOf = (role: Role): string => {
    const url = new URL(databaseUrl);
    url.username = roleName(role);
    url.password = passwords[role];
    return url.href;
  };
  return {
    url: databaseUrl,
    superuserUrl: withoutTriggers(databaseUrl),
    urlOf,
    poolOf(role) {
      const pool = createPool({ url: urlOf(role), applicationName: `test-${role}`, max: 8, onError: () => undefined });
      pools.push(pool);
      return pool;
    },
    close: async () => {
      await Promise.all(pools.map((pool) => pool.end()));
    },
  };
}

async function onServer<T>(serverUrl: string, work: (server: pg.Client) => Promise<T>): Promise<T> {
  const server = new pg.Client({ connectionString: serverUrl });
  await server.connect();
  try {
    return await work(server);
  } finally {
    await server.end();
  }
}

/** A superuser's URL, for sessions in which no trigger fires. */
function withoutTriggers(url: string): string {
  const changed = new URL(url);
  changed.searchParams.set("options", "-c session_replication_role=replica");
  return changed.href;
}

function withPath(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}
