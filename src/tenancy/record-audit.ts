import type { AuditEntry } from "./audit-store.ts";
import { insertAudit } from "./audit-store.ts";
import type { InTenant } from "./transaction.ts";

export type { AuditEntry };

export type RecordAudit = (entry: AuditEntry) => Promise<void>;

/** Keeps one row per privileged call; a call whose row can't be kept is answered as failed, and repeated. */
export function createRecordAudit(deps: { readonly inTenant: InTenant }): RecordAudit {
  return (entry) => deps.inTenant(entry.tenant, (transaction) => insertAudit(transaction, entry));
}
