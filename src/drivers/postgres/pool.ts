import pg from "pg";
import type { Login } from "./login.ts";
import { clientConfigOf } from "./login.ts";

pg.types.setTypeParser(pg.types.builtins.INT8, Number); // counts and sequences stay far below 2^53

pg.types.setTypeParser(pg.types.builtins.DATE, String); // a day, not a moment

export interface PoolOptions extends Login {
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  readonly max: number;
  /** Called for a broken idle client; without it the process would crash. */
  readonly onError: (error: Error) => void;
}

/**
 * A pipelined pool: queries of one client go out without waiting for each other's answer.
 * Every wait is bounded: connecting 3 s, a query 4 s (below half of the Kafka session), a lock 3 s.
 */
export function createPool({ applicationName, max, onError, ...login }: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    ...clientConfigOf(login),
    application_name: applicationName,
    max,
    pipeline: true,
    connectionTimeoutMillis: 3_000,
    query_timeout: 4_000,
    statement_timeout: 3_800,
    lock_timeout: 3_000,
    idle_in_transaction_session_timeout: 10_000,
    idleTimeoutMillis: 30_000,
  });
  pool.on("error", onError);
  return pool;
}
