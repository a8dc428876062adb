import type { IsolationClassJson } from "../../gen/automation/v1/policy_pb.ts";
import type { RunStatusJson } from "../../gen/automation/v1/run_event_pb.ts";
import type { RunResultJson } from "../../gen/automation/v1/run_result_pb.ts";
import type { WorkReportJson } from "../../gen/automation/v1/run_work_pb.ts";
import type { ExceededLimitJson } from "../../gen/workflows_runtime/v1/run_pb.ts";
import type {
  AbortSealRequestJson,
  AbortSealResponseJson,
  BeginRunResponseJson,
  CommitSealResponseJson,
  DeliverHandoffResponseJson,
  PrepareSealResponseJson,
  WorkFaultJson,
} from "../../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import type { ReportWorkflowStatusResponseJson } from "../../gen/workflows_runtime/v1/workflow_service_pb.ts";

/** Names, ids and payload types that client, worker and workflow share. The workflow bundle takes this file in, so it imports types only. */

export const automationRunType = "automationRun";
export const controlTaskQueue = "automation-control";

/** @returns the queue of the workers that offer a class of isolation, for example `workspace-uid` */
export function workspaceTaskQueue(isolation: IsolationClassJson): string {
  return `workspace-${isolation.replace(/^ISOLATION_CLASS_/, "").toLowerCase()}`;
}

/** Wakes the workflow, which then asks the api what to do. */
export const doorbellSignal = "doorbell";
/** Type of the failure by which an activity says that another execution speaks for the run. */
export const supersededExecution = "SupersededExecution";
/** How long a worker may hold a workflow task; a dead one is noticed after this. */
export const workflowTaskTimeout = "5 s";

/**
 * Names of the search attributes, with their Temporal types. The server must know them before the first start.
 * A server that keeps them in SQL has room for ten of Keyword and three of KeywordList: three and one of these are left to others.
 */
export const searchAttributes = {
  TenantId: "Keyword",
  OrgId: "Keyword",
  DefinitionId: "Keyword",
  MethodologyProfileId: "Keyword",
  CadenceId: "Keyword",
  EventId: "Keyword",
  RunOutcome: "Keyword",
  PersonaKeys: "KeywordList",
  ReferenceIds: "KeywordList",
} as const;

/** @returns the workflow id of one generation of a run, for example `automation-run/acme/6f…/g1` */
export function workflowIdOf(tenant: string, runId: string, generation: number): string {
  return `automation-run/${tenant}/${runId}/g${generation}`;
}

/** @returns the parts of what `workflowIdOf` made; undefined when it did not */
export function partsOfWorkflowId(
  id: string,
): { readonly tenant: string; readonly runId: string; readonly generation: number } | undefined {
  const [, tenant, runId, generation] = /^automation-run\/([^/]+)\/([0-9a-f-]{36})\/g(\d+)$/.exec(id) ?? [];
  return tenant === undefined || runId === undefined ? undefined : { tenant, runId, generation: Number(generation) };
}

/** Input of `automationRun`: references only. W3C trace context is kept for the spans to come. */
export interface RunInput {
  readonly tenant: string;
  readonly org: string;
  readonly runId: string;
  readonly generation: number;
  /** Proves to the api that the workflow was started for the run. It is kept out of logs, memo, search attributes and boxes. */
  readonly startCapability: string;
  readonly traceparent?: string;
  readonly tracestate?: string;
}

/** @returns the end as the attribute `RunOutcome` has it, for example `TIMED_OUT` */
export function outcomeName(outcome: RunStatusJson): string {
  return outcome.replace(/^RUN_STATUS_/, "");
}

/** How a run ended, as its workflow answers it. */
export type RunResult = RunResultJson;

/** Added to the memo when the run ends. */
export type MemoOfEnd = Record<string, unknown> &
  Required<Pick<RunResult, "artifacts">> &
  Pick<RunResult, "artifactsLeftOut" | "reason">;

/** Sent with every api call of an activity: the run, and the execution that makes the call. */
export interface RunScope {
  readonly tenant: string;
  readonly org: string;
  readonly runId: string;
  readonly generation: number;
  readonly firstExecutionRunId: string;
}

export type AbortReason = Required<Pick<AbortSealRequestJson, "outcome" | "cause" | "reason">>;

/** What the workflow needs to know about a begun run. Everything else is fetched where it is used, and stays out of the history. */
export interface BegunRun
  extends Pick<BeginRunResponseJson, "refused" | "desiredState" | "exceededLimit" | "noLimitBefore"> {
  /** Set when there are steps to work on. */
  readonly work?: {
    /** Class of the workers that do the work. */
    readonly isolation: IsolationClassJson;
    /** Numbers of the pinned segments, in their order. */
    readonly segments: readonly number[];
  };
}

/** How a segment ended. Its results are known to the api. */
export type WorkEnd = Required<Pick<WorkReportJson, "outcome" | "cause" | "reason">>;

/** Type of the failure of an attempt that is a fault of the scheduler itself. Its only detail is the number of the attempt. */
export const workFailed = "WorkFailed";
/** How often a segment may fail by a fault of the scheduler itself; then the run fails. Waiting and lost workers are not counted. */
export const workFailures = 3;

/** The last failure of a segment that was a fault of the scheduler itself. */
export type WorkFault = Required<WorkFaultJson>;

/** Activities of a workspace queue. */
export interface WorkspaceActivities {
  /**
   * Does the steps of one segment, from its base to the last upload. Each attempt starts from the base; a completed segment is not repeated.
   * @param fault - how the previous activity for the same segment ended; the count of attempts continues from it
   */
  workSegment(scope: RunScope, segment: number, startCapability: string, fault?: WorkFault): Promise<WorkEnd>;
}

/** Activities of the control queue; each is one api call. */
export interface ControlActivities {
  beginRun(scope: RunScope, startCapability: string): Promise<BegunRun>;
  reportStatus(scope: RunScope): Promise<ReportWorkflowStatusResponseJson>;
  /** Answers when a time limit has passed; until then it fails with a retryable failure, so that Temporal's retries do the waiting. */
  awaitLimit(scope: RunScope): Promise<ExceededLimitJson>;
  prepareSeal(scope: RunScope): Promise<PrepareSealResponseJson>;
  /** Makes each pending try once; answers PENDING when a receiver does not answer. */
  deliverHandoff(scope: RunScope): Promise<DeliverHandoffResponseJson>;
  /** Like `deliverHandoff`, but fails with a retryable failure while PENDING, so that Temporal's retries do the waiting. */
  awaitHandoff(scope: RunScope): Promise<DeliverHandoffResponseJson>;
  commitSeal(scope: RunScope): Promise<CommitSealResponseJson>;
  abortSeal(scope: RunScope, end: AbortReason): Promise<AbortSealResponseJson>;
}
