import { join } from "node:path";
import { runner } from "node-pg-migrate";
import pg from "pg";
import type { Login } from "./login.ts";
import { clientConfigOf } from "./login.ts";

/** Login roles, one per process, and one for checks; none owns a table but `migrate`, and none bypasses row-level security. */
export const roles = ["migrate", "api", "dispatcher", "relay", "check"] as const;
export type Role = (typeof roles)[number];
/** Without a password of `check` nobody can log in as it. */
export type Passwords = Readonly<Record<Exclude<Role, "check">, string> & { check?: string | undefined }>;

/** Longest wait for another run of the migrations, and for a table that is in use. */
const lockLimitMs = 60_000;

/**
 * Creates what is missing: roles, ownership and every migration, in one run at a time. Safe to repeat.
 * @param options.admin - a role that may create roles and owns the database, or a superuser
 */
export async function migrateDatabase(options: {
  readonly admin: Login;
  readonly passwords: Passwords;
  readonly log: (line: string) => void;
}): Promise<void> {
  const migrateUrl = new URL(options.admin.url);
  migrateUrl.username = roleName("migrate");
  migrateUrl.password = options.passwords.migrate;
  await ensureRoles(options.admin, options.passwords);
  await runner({
    databaseUrl: { connectionString: migrateUrl.href, connectionTimeoutMillis: 5_000, lock_timeout: lockLimitMs },
    dir: join(import.meta.dirname, "migrations"),
    direction: "up",
    migrationsTable: "schema_migrations",
    checkOrder: true,
    advisoryLockMode: "wait",
    log: options.log,
  });
}

export const roleName = (role: Role): string => `automation_${role}`;

async function ensureRoles(login: Login, passwords: Passwords): Promise<void> {
  const admin = new pg.Client({ ...clientConfigOf(login), connectionTimeoutMillis: 5_000, query_timeout: 20_000 });
  await admin.connect();
  try {
    await admin.query("begin");
    await admin.query("select pg_advisory_xact_lock(hashtext('automation roles'))");
    for (const role of roles) {
      const name = roleName(role);
      const { rowCount } = await admin.query("select 1 from pg_roles where rolname = $1", [name]);
      if (rowCount === 0)
        await admin.query(`create role ${name} login nosuperuser nobypassrls nocreatedb nocreaterole`);
      const password = passwords[role];
      await admin.query(`alter role ${name} password ${password === undefined ? "null" : pg.escapeLiteral(password)}`);
    }
    const owner = roleName("migrate");
    const { rows } = await admin.query<{ database: string }>("select current_database() as database");
    await admin.query(`alter database ${pg.escapeIdentifier(rows[0]?.database ?? "")} owner to ${owner}`);
    await admin.query(`alter schema public owner to ${owner}`);
    await admin.query("revoke all on schema public from public");
    await admin.query(`grant usage on schema public to ${roles.map(roleName).join(", ")}`);
    await admin.query("commit");
  } finally {
    await admin.end();
  }
}
