import { insertAudit } from "./audit-store.ts";
import type { InScope } from "./transaction.ts";

/** A privileged call and its outcome. */
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

export type RecordAudit = (entry: AuditEntry) => Promise<void>;

/** Writes one row per privileged call; a call whose row can't be written fails, and the caller repeats it. */
export function createRecordAudit(deps: { readonly inScope: InScope }): RecordAudit {
  return (entry) => deps.inScope(entry, (transaction) => insertAudit(transaction, entry));
}
