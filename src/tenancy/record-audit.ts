import type { AuditEntry } from "./audit-store.ts";
import { insertAudit } from "./audit-store.ts";
import type { InScope } from "./transaction.ts";

export type { AuditEntry };

export type RecordAudit = (entry: AuditEntry) => Promise<void>;

/** Keeps one row per privileged call; a call whose row can't be kept is answered as failed, and repeated. */
export function createRecordAudit(deps: { readonly inScope: InScope }): RecordAudit {
  return (entry) => deps.inScope(entry, (transaction) => insertAudit(transaction, entry));
}
