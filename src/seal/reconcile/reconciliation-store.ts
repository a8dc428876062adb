import type { Transaction } from "../../tenancy/transaction.ts";
import type { Found } from "./judge-lost-run.ts";

/** The run of a due finding. */
export interface ClaimedReconciliation {
  readonly tenant: string;
  readonly org: string;
  readonly runId: string;
}

/** Claims due findings of all tenants for 10 s, longer with every attempt; each is acted on in the scope of its own tenant. */
export async function claimDueReconciliations(
  transaction: Transaction,
  atMost: number,
): Promise<ClaimedReconciliation[]> {
  const { rows } = await transaction.query<ClaimedReconciliation>(
    'select tenant, org, run_id as "runId" from claim_due_reconciliations($1)',
    [atMost],
  );
  return rows;
}

export async function findReconciliation(
  transaction: Transaction,
  run: { readonly tenant: string; readonly runId: string },
): Promise<Found | undefined> {
  const { rows } = await transaction.query<Found>(
    "select generation, finding, detail from reconciliations where tenant = $1 and run_id = $2",
    [run.tenant, run.runId],
  );
  return rows[0];
}

export async function forgetReconciliation(
  transaction: Transaction,
  run: { readonly tenant: string; readonly runId: string },
): Promise<void> {
  await transaction.query("delete from reconciliations where tenant = $1 and run_id = $2", [run.tenant, run.runId]);
}
