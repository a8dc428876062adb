import type { Transaction } from "../tenancy/transaction.ts";
import type { HeldUp } from "./list-queue-store.ts";

/** Why a run that has not ended makes no progress; undefined when nothing was found. */
export async function findHeldUp(transaction: Transaction, tenant: string, runId: string): Promise<HeldUp | undefined> {
  const { rows } = await transaction.query<HeldUp>(
    `select c.run_id as "runId", r.status, c.generation, c.finding, c.detail, c.found_at as since, c.due_at is not null as due
     from reconciliations as c join runs as r on r.tenant = c.tenant and r.run_id = c.run_id and r.generation = c.generation
     where c.tenant = $1 and c.run_id = $2 and r.ended_at is null`,
    [tenant, runId],
  );
  return rows[0];
}
