import type { Pool } from "pg";

/** How many days something is kept; undefined: for ever. */
export interface Retention {
  readonly runEvents?: number | undefined;
  readonly requests?: number | undefined;
  readonly deliveries?: number | undefined;
}

/** Rows of one statement, so that it stays far below its time limit. */
const atMost = 1_000;

/** Drops what is older than it is to be kept, a piece of each. @returns whether there may be more */
export async function dropExpired(pool: Pool, { runEvents, requests, deliveries }: Retention): Promise<boolean> {
  const dropped = async (sql: string, values: readonly number[]): Promise<number> =>
    (await pool.query<{ dropped: number }>(sql, [...values])).rows[0]?.dropped ?? 0;
  if (runEvents !== undefined) await dropped("select drop_run_events($1) as dropped", [runEvents]);
  const rows = [
    requests === undefined ? 0 : await dropped("select drop_requests($1, $2) as dropped", [requests, atMost]),
    deliveries === undefined ? 0 : await dropped("select drop_deliveries($1, $2) as dropped", [deliveries, atMost]),
  ];
  return rows.some((count) => count === atMost);
}
