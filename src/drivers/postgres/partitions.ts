import type { Pool } from "pg";

/** Makes the daily partitions of `run_events` up to 7 days ahead; at start and hourly is plenty. */
export async function ensureRunEventPartitions(pool: Pool): Promise<void> {
  await pool.query("select ensure_run_event_partitions()");
}
