import type { MessageInitShape } from "@bufbuild/protobuf";
import { DesiredState } from "../gen/workflows_runtime/v1/run_pb.ts";
import type { ReportWorkflowStatusResponseSchema } from "../gen/workflows_runtime/v1/workflow_service_pb.ts";
import { isUuid } from "../tenancy/page-token.ts";
import type { InTenant } from "../tenancy/transaction.ts";
import type { ExecutionId } from "./in-run.ts";
import { assertSpeaksFor, UnknownRunError } from "./in-run.ts";
import { findRun } from "./run-store.ts";

export type ReportStatus = (scope: {
  readonly tenant: string;
  readonly runId: string;
  readonly execution: ExecutionId;
}) => Promise<MessageInitShape<typeof ReportWorkflowStatusResponseSchema>>;

/**
 * Tells the execution that speaks for a run what the run shall do.
 * @throws UnknownRunError, SupersededExecutionError
 */
export function createReportStatus(deps: { readonly inTenant: InTenant }): ReportStatus {
  return async ({ tenant, runId, execution }) => {
    const run = isUuid(runId)
      ? await deps.inTenant(tenant, (transaction) => findRun(transaction, tenant, runId))
      : undefined;
    if (run === undefined) throw new UnknownRunError(runId);
    assertSpeaksFor(run, execution);
    return { desiredState: run.desiredState === "CANCEL" ? DesiredState.CANCEL : DesiredState.RUN };
  };
}
