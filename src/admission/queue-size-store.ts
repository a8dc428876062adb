import type { QueueSize } from "../telemetry/metrics/queue-metrics.ts";
import type { Transaction } from "../tenancy/transaction.ts";

/** The queue of all tenants. */
export async function readQueueSize(transaction: Transaction): Promise<QueueSize> {
  const { rows } = await transaction.query<QueueSize>(
    `select count(*) filter (where claimed_until is null) as waiting,
       count(*) filter (where claimed_until is not null and started_at is null) as claimed,
       count(*) filter (where started_at is not null) as started,
       coalesce(extract(epoch from clock_timestamp() - min(queued_at) filter (where claimed_until is null)), 0)::float8 as "oldestWaitingSeconds"
     from run_queue`,
  );
  if (rows[0] === undefined) throw new Error("an aggregate without a row");
  return rows[0];
}
