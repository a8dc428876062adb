import type { RunJson } from "../gen/workflows_runtime/v1/run_pb.ts";
import { limitToJson } from "./run-draft.ts";
import { statusToJson } from "./run-status.ts";
import type { RunRow } from "./run-store.ts";
import { nextLimit } from "./time-limits.ts";

/** Names the Temporal workflow of one generation of a run. */
export type WorkflowIdOf = (tenant: string, runId: string, generation: number) => string;

/** A run with the last sequence of its stream. */
export interface RunWithHead extends RunRow {
  readonly lastSequence: number;
}

/** A run in the form of the api. */
export function runToJson(run: RunWithHead, workflowIdOf: WorkflowIdOf): RunJson {
  const limit = nextLimit(run);
  const isWorkedOn = run.status === "PREPARING" || run.status === "RUNNING";
  const isHandedOff = run.status === "SEALING" && run.waiting?.since !== undefined;
  return {
    id: run.runId,
    tenant: run.tenant,
    org: run.org,
    status: statusToJson(run.status),
    reason: run.reason,
    definitionId: run.definitionId,
    definitionVersion: run.definitionVersion,
    definitionDigest: run.definitionDigest,
    profileId: run.profileId,
    profileVersion: run.profileVersion,
    profileDigest: run.profileDigest,
    ruleId: run.ruleId ?? "",
    ruleVersion: run.ruleVersion ?? 0,
    rerunOf: run.rerunOf ?? "",
    workKind: run.workKind,
    references: run.references,
    source: run.source,
    eventId: run.eventId,
    requestId: run.requestId,
    correlationId: run.correlationId ?? "",
    traceparent: run.traceparent ?? "",
    generation: run.generation,
    workflowId: workflowIdOf(run.tenant, run.runId, run.generation),
    desiredState: `DESIRED_STATE_${run.desiredState}`,
    lastSequence: String(run.lastSequence),
    createdAt: run.createdAt.toISOString(),
    ...(run.pins === null ? {} : { pins: run.pins }),
    baseCommit: run.baseCommit ?? "",
    ...(run.admittedAt === null ? {} : { admittedAt: run.admittedAt.toISOString() }),
    ...(run.begunAt === null ? {} : { begunAt: run.begunAt.toISOString() }),
    ...(run.workBegunAt === null ? {} : { workBegunAt: run.workBegunAt.toISOString() }),
    ...(run.endedAt === null ? {} : { endedAt: run.endedAt.toISOString() }),
    ...(run.deadlineAt === null ? {} : { deadline: run.deadlineAt.toISOString() }),
    ...(run.cancel === null ? {} : { cancel: run.cancel }),
    ...(run.attempt === null ? {} : { attempt: run.attempt }),
    ...(limit === undefined ? {} : { limit: limitToJson(limit) }),
    ...(run.waiting === null || !(isWorkedOn || isHandedOff) ? {} : { waiting: run.waiting }),
  };
}
