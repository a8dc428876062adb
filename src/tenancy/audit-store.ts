import type { AuditEntry } from "./audit-entry.ts";
import type { Transaction } from "./transaction.ts";

export async function insertAudit(transaction: Transaction, entry: AuditEntry): Promise<void> {
  await transaction.query(
    "insert into audit_log (tenant, org, principal, action, outcome, correlation_id) values ($1, $2, $3, $4, $5, $6)",
    [entry.tenant, entry.org, entry.principal, entry.action, entry.outcome, entry.correlationId],
  );
}
