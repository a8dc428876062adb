import type { OutboxSize } from "../../telemetry/metrics/outbox-metrics.ts";
import type { Transaction } from "../../tenancy/transaction.ts";

/** What the bus does not have yet. */
export async function readOutboxSize(transaction: Transaction): Promise<OutboxSize> {
  const { rows } = await transaction.query<OutboxSize>(
    `select count(*) as rows, coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 as "oldestSeconds" from outbox`,
  );
  if (rows[0] === undefined) throw new Error("an aggregate without a row");
  return rows[0];
}
