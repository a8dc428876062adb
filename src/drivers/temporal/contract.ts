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

/** Wakes the workflow; what to do is asked from the api. */
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

/** Input of `automationRun`: references only. W3C trace context is kept for the spans to come. */
export interface RunInput {
  readonly tenant: string;
  readonly org: string;
  readonly runId: string;
  readonly generation: number;
  /** By this the api knows that the workflow was started for the run; it stays out of logs, memo and search attributes, and a box never sees it. */
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

/** What the memo says of a run from its end on, beside what it says from the start. */
export type MemoOfEnd = Record<string, unknown> &
  Required<Pick<RunResult, "artifacts">> &
  Pick<RunResult, "artifactsLeftOut" | "reason">;

/** What an activity sends along with every api call: whose run, and which execution speaks. */
export interface RunScope {
  readonly tenant: string;
  readonly org: string;
  readonly runId: string;
  readonly generation: number;
  readonly firstExecutionRunId: string;
}

export type AbortReason = Required<Pick<AbortSealRequestJson, "outcome" | "cause" | "reason">>;

/** What the workflow needs of a begun run; the rest is asked for where it is used, and stays out of the history. */
export interface BegunRun
  extends Pick<BeginRunResponseJson, "refused" | "desiredState" | "exceededLimit" | "noLimitBefore"> {
  /** Set when there are steps to work on. */
  readonly work?: {
    /** The class of the workers that do. */
    readonly isolation: IsolationClassJson;
    /** In their order: what the plan's steps were divided into when the run was accepted. */
    readonly segments: readonly number[];
  };
}

/** How a segment ended; what it made is the api's to know. */
export type WorkEnd = Required<Pick<WorkReportJson, "outcome" | "cause" | "reason">>;

/** Type of the failure by which an attempt at the work says that the fault is ours. Its only detail is the number of the attempt. */
export const workFailed = "WorkFailed";
/** How often a segment may fail so before the run does. What it waits for, and workers that end, are not counted. */
export const workFailures = 3;

/** The last failure of a segment that was ours. */
export type WorkFault = Required<WorkFaultJson>;

/** Activities of a workspace queue. */
export interface WorkspaceActivities {
  /**
   * The steps of one segment, from its base to the last upload. Each attempt begins from the base; a complete segment is not done again.
   * @param fault - how the activity before it for the same segment ended: attempts are counted on
   */
  workSegment(scope: RunScope, segment: number, startCapability: string, fault?: WorkFault): Promise<WorkEnd>;
}

/** Activities of the control queue; each is one api call. */
export interface ControlActivities {
  beginRun(scope: RunScope, startCapability: string): Promise<BegunRun>;
  reportStatus(scope: RunScope): Promise<ReportWorkflowStatusResponseJson>;
  /** Answers when a limit of time has passed; until then it fails retryably, so that Temporal's retry does the waiting. */
  awaitLimit(scope: RunScope): Promise<ExceededLimitJson>;
  prepareSeal(scope: RunScope): Promise<PrepareSealResponseJson>;
  /** One round of tries; answers PENDING when a receiver stays silent. */
  deliverHandoff(scope: RunScope): Promise<DeliverHandoffResponseJson>;
  /** Like `deliverHandoff`, but fails retryably while PENDING, so that Temporal's retry does the waiting. */
  awaitHandoff(scope: RunScope): Promise<DeliverHandoffResponseJson>;
  commitSeal(scope: RunScope): Promise<CommitSealResponseJson>;
  abortSeal(scope: RunScope, end: AbortReason): Promise<AbortSealResponseJson>;
}
