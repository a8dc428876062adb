import type { AuditEntry } from "./audit-entry.ts";
import { insertAudit } from "./audit-store.ts";
import type { InScope } from "./transaction.ts";

export type RecordAudit = (entry: AuditEntry) => Promise<void>;

/** Writes one row per privileged call; a call whose row can't be written fails, and the caller repeats it. */
export function createRecordAudit(deps: { readonly inScope: InScope }): RecordAudit {
  return (entry) => deps.inScope(entry, (transaction) => insertAudit(transaction, entry));
}
