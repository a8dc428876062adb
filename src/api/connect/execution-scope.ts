import type { HandlerContext } from "@connectrpc/connect";
import type { Execution } from "../../gen/workflows_runtime/v1/run_pb.ts";
import { UnknownRunError } from "../../runs/in-run.ts";
import type { SealScope } from "../../seal/run-so-far.ts";
import { isUuid } from "../../tenancy/uuid.ts";
import { principalOf } from "./interceptors/request-context.ts";

/**
 * The run that a worker's call is about, and the execution that makes the call, in the tenant and org of the caller.
 * @throws UnknownRunError when the id is not a UUID
 */
export function executionScopeOf(request: { readonly execution?: Execution }, context: HandlerContext): SealScope {
  const { runId = "", generation = 0, firstExecutionRunId = "" } = request.execution ?? {};
  if (!isUuid(runId)) throw new UnknownRunError(runId);
  const { tenant, org } = principalOf(context);
  return { tenant, org, runId, execution: { generation, firstExecutionRunId } };
}
