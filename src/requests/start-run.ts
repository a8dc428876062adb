import { toJson } from "@bufbuild/protobuf";
import { RunRequestedSchema } from "../gen/automation/v1/run_requested_pb.ts";
import type { StartWorkflowRunRequest } from "../gen/workflows_runtime/v1/workflow_service_pb.ts";
import type { Principal } from "../tenancy/request-context.ts";
import type { AcceptCall, AnsweredCall } from "./accept-call.ts";
import type { TraceContext } from "./trace-context.ts";

/**
 * @param trace - W3C trace context of the call, as received
 * @throws RejectedRequestError, ConflictingRequestError
 */
export type StartRun = (request: StartWorkflowRunRequest, who: Principal, trace: TraceContext) => Promise<AnsweredCall>;

export function createStartRun(acceptCall: AcceptCall): StartRun {
  return ({ requestId, request, correlationId }, who, trace) =>
    acceptCall(
      {
        requestId,
        requested: request === undefined ? {} : toJson(RunRequestedSchema, request),
        correlationId: correlationId === "" ? undefined : correlationId,
        trace,
      },
      who,
    );
}
