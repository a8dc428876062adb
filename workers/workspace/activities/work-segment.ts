import { toJson } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { ApplicationFailure, CancelledFailure, Context } from "@temporalio/activity";
import type { RunScope, WorkEnd, WorkFault, WorkspaceActivities } from "../../../src/drivers/temporal/contract.ts";
import { supersededExecution } from "../../../src/drivers/temporal/contract.ts";
import type { SandboxReportJson, WorkReportJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import { BeginRunResponseSchema } from "../../../src/gen/workflows_runtime/v1/run_worker_service_pb.ts";
import { attemptEnded } from "../../../src/telemetry/metrics/work-metrics.ts";
import { workSpan } from "../../../src/telemetry/run-spans.ts";
import { cutText, longestReason, storable } from "../../../src/text/strangers-text.ts";
import { executionOf } from "../../automation/activities/control-activities.ts";
import type { RunArea } from "../sandbox/area/run-area.ts";
import type { RunFolder } from "../sandbox/area/run-folder.ts";
import { SandboxError } from "../sandbox/sandbox-errors.ts";
import type { Slots } from "../sandbox/slots.ts";
import type { EventSpool } from "./event-spool.ts";
import { createEventSpool } from "./event-spool.ts";
import type { RunApi, RunApiFor } from "./run-api.ts";
import { askApi, reportToApi } from "./run-api.ts";
import type { StallDetector } from "./stalled-work.ts";
import { createStallDetector } from "./stalled-work.ts";
import { uploadWork } from "./upload-work.ts";
import { asFailure } from "./work-failure.ts";
import type { Job } from "./work-job.ts";
import { millisecondsOf } from "./work-job.ts";
import type { WorkRunDeps } from "./work-run.ts";
import { workRun } from "./work-run.ts";

export interface WorkSegmentDeps extends WorkRunDeps {
  readonly apiFor: RunApiFor;
  readonly area: RunArea;
  readonly slots: Slots;
  /** What this worker proved before it polled. */
  readonly sandboxReport: () => SandboxReportJson;
  /** A box could not be made or ended, so the sandbox must be proved again. */
  readonly onSandboxFault: () => void;
}

/** Less than a third of the time after which Temporal takes the worker for dead. */
const heartbeatEveryMs = 3_000;
/** How long cancelled work may take to save its results. */
const keepLimitMs = 7_000;
const callLimitMs = 10_000;
const removeLimitMs = 60_000;
/** Longer than any part of the work may be silent, steps excepted: a fetch takes at most 15 min. The time limit of steps is added. */
const silentLimitMs = 20 * 60_000;
/** Pauses of at least this length are shown as an event of the run. */
const toldPauseMs = 2_000;
const tellLimitMs = 2_000;

/** Codes of failures that another attempt would only repeat. */
const lasting: ReadonlySet<string> = new Set(["base_unavailable", "bundle_altered", "upload_refused", "disk_limit"]);

/**
 * One segment of a run's work as one activity. It sends heartbeats while the work makes progress; every attempt begins from the base, and leaves nothing on the host.
 * A cancel stops the steps and saves their results. A worker that shuts down, or lost the activity, drops everything: another attempt begins again.
 */
export function createWorkSegment(deps: WorkSegmentDeps): WorkspaceActivities["workSegment"] {
  return async (scope, segment, startCapability, fault) => {
    const { info, cancellationSignal, heartbeat } = contextOf();
    const api = deps.apiFor(scope);
    const slot = deps.slots.take();
    const attempt = (fault?.attempt ?? 0) + info.attempt;
    const pointer = { attempt, slot };
    const progress = createStallDetector({ limitMs: silentLimitMs, nowMs: () => performance.now() });
    const beating = setInterval(() => {
      if (progress.isAlive()) heartbeat(pointer);
    }, heartbeatEveryMs);
    try {
      const end = await attemptWork(
        deps,
        { scope, segment, startCapability, fault, api, slot, attempt, progress },
        cancellationSignal,
      );
      attemptEnded(end.outcome === "WORK_OUTCOME_DONE" ? "done" : "failed");
      return end;
    } catch (error) {
      attemptEnded(cancellationSignal.aborted ? "cancelled" : "retried");
      throw failureOfAttempt(error, attempt, cancellationSignal);
    } finally {
      clearInterval(beating);
      deps.slots.give(slot);
    }
  };
}

async function attemptWork(
  deps: WorkSegmentDeps,
  at: {
    scope: RunScope;
    segment: number;
    startCapability: string;
    fault: WorkFault | undefined;
    api: RunApi;
    slot: number;
    attempt: number;
    progress: StallDetector;
  },
  cancelled: AbortSignal,
): Promise<WorkEnd> {
  const { scope, segment, startCapability, fault, api, slot, attempt, progress } = at;
  const who = { execution: executionOf(scope), attempt: { segment, number: attempt } };
  const options = { signal: cancelled, timeoutMs: callLimitMs };
  const begun = toJson(
    BeginRunResponseSchema,
    await askApi(() => api.runWorker.beginRun({ ...who, startCapability, fault }, options), cancelled),
  );
  if (begun.refused) throw superseded(scope);
  if (begun.report !== undefined) return endOf(begun.report);
  if (begun.exceededLimit !== undefined) throw timeIsUp(begun.exceededLimit.reason);
  if (begun.desiredState === "DESIRED_STATE_CANCEL") throw new CancelledFailure("the run was asked to end");
  const { plan, pins, request } = begun;
  const pinned = pins?.segments?.find((each) => each.segment === segment);
  if (plan === undefined || pins === undefined || request === undefined || pinned === undefined)
    throw ApplicationFailure.nonRetryable(`run ${scope.runId} has no segment ${segment} to work on`, "NoWork");
  const steps = (plan.steps ?? []).filter(({ id = "" }) => pinned.stepIds?.includes(id));

  progress.allowSilence(millisecondsOf(pins.policy?.limits?.stepTime));
  const stop = AbortSignal.any([cancelled, progress.signal]);
  const giveUp = AbortSignal.any([givingUpAfter(cancelled), progress.signal]);
  const report = reportToApi(api, who);
  const spool = createEventSpool({ ...report, signal: giveUp });
  let folder: RunFolder | undefined;
  try {
    folder = await deps.area.openRun(slot, stop);
    const tell: Job["tell"] = (event) => {
      progress.noteProgress();
      return spool.tell(event);
    };
    const job: Job = {
      scope,
      segment,
      attempt,
      plan: { ...plan, steps },
      pins,
      request,
      sandbox: deps.sandboxReport(),
      slot,
      tell,
    };
    const worked = await workOn(deps, job, { spool, folder, stop, giveUp });
    await spool.flush();
    progress.noteProgress();
    const onPause = (error: unknown, pauseMs: number) => {
      if (pauseMs < toldPauseMs) return;
      const event = waitingEvent(reasonOf(error), attempt, new Date(deps.now().getTime() + pauseMs));
      void tell(event).catch(() => undefined);
    };
    const stands = await workSpan("upload", {}, () =>
      uploadWork(api, who.execution, worked.report, worked.files, onPause, giveUp),
    );
    if (cancelled.aborted) throw new CancelledFailure("the work was stopped");
    return endOf(stands);
  } catch (error) {
    const failure = failureOfAttempt(error, attempt, cancelled);
    if (isSandboxFault(error)) deps.onSandboxFault();
    await tellWaiting(spool, failure, attempt, deps.now());
    throw failure;
  } finally {
    spool.close();
    await folder?.remove(AbortSignal.timeout(removeLimitMs));
  }
}

/** Prepares the base and works. A lasting failure becomes a report, so that the run ends with its reason. */
async function workOn(
  deps: WorkSegmentDeps,
  job: Job,
  at: {
    spool: ReturnType<typeof createEventSpool>;
    folder: Awaited<ReturnType<RunArea["openRun"]>>;
    stop: AbortSignal;
    giveUp: AbortSignal;
  },
): Promise<Awaited<ReturnType<typeof workRun>>> {
  const { id: repositoryId = "", url = "", ref = "" } = job.pins.repository ?? {};
  try {
    const { baseCommit } = await at.spool.flush();
    const resolved = baseCommit === "" ? {} : { commit: baseCommit };
    const say = (text: string) => void job.tell({ message: { text } }).catch(() => undefined);
    const base = await workSpan("prepare workspace", {}, () =>
      deps.repositories.prepareBase({ tenant: job.scope.tenant, url, ref, ...resolved }, say, at.stop),
    );
    try {
      await job.tell({
        workspace: { attempt: job.attempt, repositoryId, ref, baseCommit: base.commit, sandbox: job.sandbox },
      });
      const told = await at.spool.flush({ isRunning: true, baseCommit: base.commit });
      if (told.baseCommit !== base.commit)
        throw new Error(
          `ref ${ref} was resolved to ${told.baseCommit} by another attempt, and to ${base.commit} by this one`,
        );
      return await workRun(deps, job, base, at.folder, at);
    } finally {
      deps.repositories.release(base);
    }
  } catch (error) {
    const { code, isPassing, message } = error as { code?: unknown; isPassing?: boolean; message?: string };
    if (typeof code !== "string" || !lasting.has(code) || isPassing === true || at.stop.aborted) throw error;
    return {
      report: {
        segment: job.segment,
        attempt: job.attempt,
        outcome: "WORK_OUTCOME_FAILED",
        cause: code,
        reason: message ?? code,
        sandbox: job.sandbox,
      },
      files: [],
    };
  }
}

function endOf({ outcome = "WORK_OUTCOME_FAILED", cause = "", reason = "" }: WorkReportJson): WorkEnd {
  return { outcome, cause, reason: storable(cutText(reason, longestReason)) };
}

/** After a requested cancel there is time to save results; after a lost activity or a worker's shutdown there is none. */
function givingUpAfter(cancelled: AbortSignal): AbortSignal {
  const context = Context.current();
  const given = new AbortController();
  const onCancel = () => {
    if (context.cancellationDetails?.cancelRequested !== true) return given.abort(cancelled.reason);
    setTimeout(() => given.abort(cancelled.reason), keepLimitMs).unref();
  };
  if (cancelled.aborted) onCancel();
  else cancelled.addEventListener("abort", onCancel, { once: true });
  return given.signal;
}

function failureOfAttempt(error: unknown, attempt: number, cancelled: AbortSignal): Error {
  const isCancelled = cancelled.aborted;
  const isCancelAsked = isCancelled && Context.current().cancellationDetails?.cancelRequested === true;
  return asFailure(error, { attempt, isCancelled, isCancelAsked });
}

const isSandboxFault = (error: unknown): boolean =>
  error instanceof Error && (error instanceof SandboxError || isSandboxFault(error.cause));

/** Reports what the next attempt waits for. If that fails, a later attempt reports it. */
async function tellWaiting(spool: EventSpool, failure: Error, attempt: number, now: Date): Promise<void> {
  if (!(failure instanceof ApplicationFailure) || typeof failure.nextRetryDelay !== "number") return;
  const event = waitingEvent(failure.message, attempt, new Date(now.getTime() + failure.nextRetryDelay));
  await spool.sendLast(event, AbortSignal.timeout(tellLimitMs)).catch(() => undefined);
}

const waitingEvent = (reason: string, attempt: number, nextAttemptAt: Date) => ({
  waiting: {
    reason: storable(cutText(reason, longestReason)),
    attempt,
    nextAttemptAt: nextAttemptAt.toISOString(),
  },
});

const reasonOf = (error: unknown): string =>
  error instanceof ConnectError
    ? `the api: ${error.rawMessage}`
    : error instanceof Error
      ? error.message
      : String(error);

/** The run is out of time; the workflow is about to end it. */
const timeIsUp = (reason = "") =>
  ApplicationFailure.create({ message: reason, type: "TimeIsUp", nextRetryDelay: "1 minute" });

function superseded({ runId }: RunScope): ApplicationFailure {
  return ApplicationFailure.nonRetryable(`another execution speaks for run ${runId}`, supersededExecution);
}

function contextOf() {
  const context = Context.current();
  return {
    info: context.info,
    cancellationSignal: context.cancellationSignal,
    heartbeat: (details: unknown) => context.heartbeat(details),
  };
}
