import { reason } from "../definitions/rejection-reason.ts";
import type { RunRequestedJson } from "../gen/automation/v1/run_requested_pb.ts";
import type { RerunWorkflowRunRequest } from "../gen/workflows_runtime/v1/workflow_service_pb.ts";
import { UnknownRunError } from "../runs/in-run.ts";
import { isEnded } from "../runs/run-status.ts";
import type { RunRow } from "../runs/run-store.ts";
import { findRun } from "../runs/run-store.ts";
import type { Principal } from "../tenancy/request-context.ts";
import type { InScope } from "../tenancy/transaction.ts";
import { isUuid } from "../tenancy/uuid.ts";
import type { AcceptCall, AnsweredCall, AskedRun } from "./accept-call.ts";
import { RejectedRequestError } from "./accept-call.ts";
import type { TraceContext } from "./trace-context.ts";

/**
 * Asks once more for what an ended run was asked for, as a run of its own.
 * @throws UnknownRunError, RejectedRequestError, ConflictingRequestError
 */
export type RerunRun = (
  request: Pick<RerunWorkflowRunRequest, "runId" | "requestId" | "newest">,
  who: Principal,
  trace: TraceContext,
) => Promise<AnsweredCall>;

export function createRerunRun(deps: { readonly inScope: InScope; readonly acceptCall: AcceptCall }): RerunRun {
  return async ({ runId, requestId, newest }, who, trace) => {
    const run = isUuid(runId)
      ? await deps.inScope(who, (transaction) => findRun(transaction, who.tenant, runId))
      : undefined;
    if (run === undefined) throw new UnknownRunError(runId);
    if (!isEnded(run.status))
      throw new RejectedRequestError([
        reason(
          "not_ended",
          "run_id",
          runId,
          `is ${run.status}, and only an ended run is run again`,
          "wait for its end, or cancel it",
        ),
      ]);
    const { deadline: _past, ...requested } = run.requested;
    const asked: AskedRun = {
      requestId,
      requested,
      correlationId: run.correlationId ?? undefined,
      causationId: run.eventId,
      trace,
      rerunOf: run.runId,
    };
    return await deps.acceptCall(newest ? asked : { ...asked, ...versionsOf(run, requested) }, who);
  };
}

/** What keeps the new run to the versions of the old one. Policy and repository are those of today: what was allowed then may be denied now. */
function versionsOf(run: RunRow, requested: RunRequestedJson): Pick<AskedRun, "requested" | "fixed"> {
  const personas = run.pins?.personas ?? [];
  return {
    requested: { ...requested, profile: { id: run.profileId, version: run.profileVersion } },
    fixed: {
      rule: run.ruleId === null ? undefined : { id: run.ruleId, version: run.ruleVersion ?? 0 },
      definition: { id: run.definitionId, version: run.definitionVersion },
      personas: new Map(personas.map(({ stepId = "", version = "" }) => [stepId, version])),
    },
  };
}
