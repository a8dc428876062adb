import type { RunRequestedJson } from "../gen/automation/v1/run_requested_pb.ts";
import type { RunJson } from "../gen/workflows_runtime/v1/run_pb.ts";
import type { InScope, Scope } from "../tenancy/transaction.ts";
import { isUuid } from "../tenancy/uuid.ts";
import { UnknownRunError } from "./in-run.ts";
import type { WorkflowIdOf } from "./run-json.ts";
import { runToJson } from "./run-json.ts";
import { findRunWithHead } from "./run-list-store.ts";

export type DescribeRun = (scope: Scope, runId: string) => Promise<{ run: RunJson; request: RunRequestedJson }>;

/** @throws UnknownRunError */
export function createDescribeRun(deps: {
  readonly inScope: InScope;
  readonly workflowIdOf: WorkflowIdOf;
}): DescribeRun {
  return async (scope, runId) => {
    const found = isUuid(runId)
      ? await deps.inScope(scope, (transaction) => findRunWithHead(transaction, scope.tenant, runId))
      : undefined;
    if (found === undefined) throw new UnknownRunError(runId);
    return { run: runToJson(found, deps.workflowIdOf), request: found.requested };
  };
}
