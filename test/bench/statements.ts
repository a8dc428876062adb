import { openSync, readSync, statSync } from "node:fs";
import type pg from "pg";

/** What Postgres was asked to do. */
export interface Statements {
  /** By the name of the connection, begin and commit included. */
  readonly byApplication: ReadonlyMap<string, number>;
  /** Postgres logs what comes in one message, such as begin and the binding to a tenant, as one entry. */
  readonly messages: number;
  /** By their beginning, the most frequent first; each with the name of its connection. */
  readonly byText: readonly (readonly [string, number])[];
  readonly transactions: number;
  /** Of the write-ahead log. */
  readonly fsyncs: number;
}

const shownLength = 150;

/** Counts the statements of all connections but the superuser's own while work is done, by having Postgres log each of them. */
export async function countStatements(
  superuser: pg.Pool,
  logFile: string,
  work: () => Promise<unknown>,
): Promise<Statements> {
  const set = async (settings: Readonly<Record<string, string>>) => {
    for (const [name, value] of Object.entries(settings))
      await superuser.query(`alter system set ${name} = '${value}'`);
    await superuser.query("select pg_reload_conf()");
  };
  await set({ log_statement: "all", log_line_prefix: "%a|" });
  const from = statSync(logFile).size;
  const before = await done(superuser);
  await work();
  const after = await done(superuser);
  await set({ log_statement: "none", log_line_prefix: "%m [%p] " });
  const lines = textFrom(logFile, from).matchAll(
    /^(automation-[a-z-]+)\|LOG: {2}(?:statement|execute [^:]+): (.*(?:\n\t.*)*)/gm,
  );
  const byApplication = new Map<string, number>();
  const byText = new Map<string, number>();
  let messages = 0;
  for (const [, name = "", text = ""] of lines) {
    messages += 1;
    const statements = text
      .replace(/\s+/g, " ")
      .trim()
      .split(/; (?=\S)/);
    for (const statement of statements) {
      const shown = `${name.replace("automation-", "")}: ${statement.slice(0, shownLength)}`;
      byApplication.set(name, (byApplication.get(name) ?? 0) + 1);
      byText.set(shown, (byText.get(shown) ?? 0) + 1);
    }
  }
  return {
    byApplication,
    messages,
    byText: [...byText].sort(([, a], [, b]) => b - a),
    transactions: after.transactions - before.transactions,
    fsyncs: after.fsyncs - before.fsyncs,
  };
}

async function done(superuser: pg.Pool): Promise<{ readonly transactions: number; readonly fsyncs: number }> {
  const { rows } = await superuser.query<{ transactions: string; fsyncs: string }>(
    `select (select xact_commit from pg_stat_database where datname = current_database()) as transactions,
            (select sum(fsyncs) from pg_stat_io where object = 'wal') as fsyncs`,
  );
  return { transactions: Number(rows[0]?.transactions), fsyncs: Number(rows[0]?.fsyncs) };
}

function textFrom(file: string, from: number): string {
  const bytes = Buffer.alloc(statSync(file).size - from);
  readSync(openSync(file, "r"), bytes, 0, bytes.length, from);
  return bytes.toString("utf8");
}
