import type { Transaction } from "./transaction.ts";

/** Who did what, for whom, and what came of it. */
export interface AuditEntry {
  readonly tenant: string;
  readonly org: string;
  readonly principal: string;
  /** The method, for example `workflows_runtime.v1.WorkflowService/CancelWorkflowRun`. */
  readonly action: string;
  /** `ok`, or the code of the refusal. */
  readonly outcome: string;
  readonly correlationId: string;
}

export async function insertAudit(transaction: Transaction, entry: AuditEntry): Promise<void> {
  await transaction.query(
    "insert into audit_log (tenant, org, principal, action, outcome, correlation_id) values ($1, $2, $3, $4, $5, $6)",
    [entry.tenant, entry.org, entry.principal, entry.action, entry.outcome, entry.correlationId],
  );
}
