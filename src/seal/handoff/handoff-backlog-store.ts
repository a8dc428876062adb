import type { HandoffBacklog } from "../../telemetry/metrics/handoff-metrics.ts";
import type { Transaction } from "../../tenancy/transaction.ts";

/** Calls of all tenants that the deliver loop makes and that have no final answer. */
export async function readHandoffBacklog(transaction: Transaction): Promise<HandoffBacklog[]> {
  const { rows } = await transaction.query<HandoffBacklog>(
    `select receiver, state, calls as count, oldest_seconds as "oldestSeconds" from handoff_backlog()`,
  );
  return rows;
}
