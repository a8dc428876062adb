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
