import {
  ActivityCancellationType,
  CancellationScope,
  condition,
  defineSignal,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
  sleep,
  upsertMemo,
  upsertSearchAttributes,
  workflowInfo,
} from "@temporalio/workflow";
import type {
  AbortReason,
  BegunRun,
  ControlActivities,
  MemoOfEnd,
  RunInput,
  RunResult,
  RunScope,
  WorkEnd,
  WorkFault,
  WorkspaceActivities,
} from "../../../src/drivers/temporal/contract.ts";
import {
  doorbellSignal,
  outcomeName,
  workFailures,
  workspaceTaskQueue,
} from "../../../src/drivers/temporal/contract.ts";
import { cutText, longestReason } from "../../../src/text/strangers-text.ts";
import { describeFailure, failedAttempt, isSuperseded, mayTryAgain } from "./failures.ts";
import { reasonOfVerdict } from "./verdict-reason.ts";

/** A call to the api, within the current workflow task: four good ones cost a handful of history events. One that takes longer goes on at the api, and the next try joins it. */
const quick = proxyLocalActivities<ControlActivities>({
  scheduleToCloseTimeout: "4 s",
  startToCloseTimeout: "1500 ms",
  localRetryThreshold: "1 s",
  retry: { maximumAttempts: 2, initialInterval: "200 ms" },
});

/** The same call for when the api stays away: Temporal repeats it, without history, until the run's last day. */
const patient = proxyActivities<ControlActivities>({
  startToCloseTimeout: "10 s",
  retry: { initialInterval: "500 ms", maximumInterval: "10 s" },
});

/** A round of tries, which a receiver may keep for a minute; asked again while it runs, it is joined at the api. */
const handingOff = proxyActivities<ControlActivities>({
  startToCloseTimeout: "75 s",
  heartbeatTimeout: "12 s",
  retry: { initialInterval: "500 ms", maximumInterval: "10 s" },
});

/** How long an end waits for a worker to stop the work and to keep what it became: longer than a dead one is noticed. */
const stopLimit = "15 s";
/** Longer than any limit of work (30 days), which is the api's to tell. */
const longestWork = "31 d";

const doorbell = defineSignal(doorbellSignal);

/** Why a run is to end otherwise than COMPLETED; or that it is COMPLETED; undefined: another execution speaks for it. */
type End = AbortReason | Committed | undefined;

interface Committed {
  readonly committed: RunResult;
}

type ExceededLimit = NonNullable<BegunRun["exceededLimit"]>;

const cancelled: AbortReason = {
  outcome: "RUN_STATUS_CANCELLED",
  cause: "cancelled",
  reason: "the run was asked to end",
};
const timedOut = ({ cause = "", reason = "" }: ExceededLimit): AbortReason => ({
  outcome: "RUN_STATUS_TIMED_OUT",
  cause,
  reason: cutText(reason, longestReason),
});

/**
 * One automation run, from its begin to its sealed end. Order and waiting live here; every decision is the api's and is recorded there.
 *
 *   begin      BeginRun                     refused → gone · cancel wished, a limit passed → abort · steps → work · else prepare
 *   work       the segments, in their order done → prepare · failed → abort FAILED (its cause) · failed for a fault of ours, three times → abort FAILED (internal)
 *   prepare    PrepareSeal                  verdict passed → hand off · not passed → abort FAILED (verdict_failed)
 *   hand off   DeliverHandoff, then waiting accepted → commit · refused → abort FAILED (handoff_refused)
 *   commit     CommitSeal                   committed → done · a cancel came first → abort CANCELLED · evidence is gone or altered → abort FAILED (evidence_lost)
 *   abort      AbortSeal                    done
 *   done       the run is sealed: its end is told to Temporal's pages, and is the workflow's result
 *   gone       another execution speaks for the run: no effects
 *
 * From work, prepare, hand off and commit, whatever they wait for, leads to abort:
 *   a limit of time → TIMED_OUT with its cause · a doorbell after which the api wishes a cancel → CANCELLED ·
 *   Temporal's own cancel request → CANCELLED · a failure that no repetition heals → FAILED (internal)
 * From any state: an answer that the execution is superseded → gone.
 *
 * Work that is cancelled is waited for, 15 s at most: its worker keeps what was made so far.
 * Begin and abort can't be cancelled: an end needs an execution that speaks for the run, and an end once chosen is sealed.
 * Which limit runs changes with the run's phase, without the workflow being told: one timer until the first moment when any may have passed, then the api is asked.
 * The timer starts when the first workflow task ends, so that it may be late by that task: 5 s at most.
 * A commit that was overtaken by an abort is settled by the api, where one of the two wins and the other gets its answer.
 *
 * An execution that told an end has done its duty and is Completed to Temporal, whichever end it is; the attribute `RunOutcome` names the end that the api sealed, and one that told none has no such attribute.
 */
export async function automationRun(input: RunInput): Promise<RunResult> {
  const bell = { isRung: false };
  setHandler(doorbell, () => {
    bell.isRung = true;
  });
  const { tenant, org, runId, generation, startCapability } = input;
  const scope: RunScope = { tenant, org, runId, generation, firstExecutionRunId: workflowInfo().firstExecutionRunId };
  try {
    const end = await untilEnd(scope, startCapability, bell);
    if (end === undefined) return gone;
    return showEnd("committed" in end ? end.committed : await abort(scope, end));
  } catch (error) {
    if (!isSuperseded(error)) throw error;
    return gone;
  }
}

const gone: RunResult = { reason: "another execution speaks for the run; this one ended without effects" };

/** @returns the end that was sealed: another one, when that came first */
async function abort(scope: RunScope, end: AbortReason): Promise<RunResult> {
  const { outcome, result } = await CancellationScope.nonCancellable(() => callApi((api) => api.abortSeal(scope, end)));
  return { outcome, ...result };
}

/** Shows the end in Temporal's pages, within the workflow task that ends the workflow. */
function showEnd(result: RunResult): RunResult {
  const { outcome, reason, artifacts = [], artifactsLeftOut } = result;
  const value = outcomeName(outcome ?? "RUN_STATUS_UNSPECIFIED");
  upsertSearchAttributes([{ key: { name: "RunOutcome", type: "KEYWORD" }, value }]);
  const memo: MemoOfEnd = {
    artifacts,
    ...(artifactsLeftOut === undefined ? {} : { artifactsLeftOut }),
    ...(reason === undefined ? {} : { reason }),
  };
  upsertMemo(memo);
  return result;
}

async function untilEnd(scope: RunScope, startCapability: string, bell: { isRung: boolean }): Promise<End> {
  const begun = await CancellationScope.nonCancellable(() => callApi((api) => api.beginRun(scope, startCapability)));
  if (begun.refused) return undefined;
  if (begun.desiredState === "DESIRED_STATE_CANCEL") return cancelled;
  if (begun.exceededLimit !== undefined) return timedOut(begun.exceededLimit);
  const working: { ended?: Promise<WorkEnd | undefined> } = {};
  try {
    return await firstOf([
      async () => {
        working.ended = begun.work && workSegments(scope, startCapability, begun.work);
        return endOfWork(await working.ended) ?? (await proceed(scope));
      },
      () => untilLimit(scope, begun.noLimitBefore),
      () => untilCancelWished(scope, bell),
    ]);
  } catch (error) {
    if (isSuperseded(error)) throw error;
    if (isCancellation(error)) return { ...cancelled, reason: "its Temporal workflow was asked to end" };
    return { outcome: "RUN_STATUS_FAILED", cause: "internal", reason: describeFailure(error) };
  } finally {
    await CancellationScope.nonCancellable(() => untilStopped(working.ended));
  }
}

/** One segment after the other, until one was not done. @returns how the last one that was begun ended */
async function workSegments(
  scope: RunScope,
  startCapability: string,
  { isolation, segments }: NonNullable<BegunRun["work"]>,
): Promise<WorkEnd | undefined> {
  let ended: WorkEnd | undefined;
  for (const segment of segments) {
    ended = await workOn(scope, segment, startCapability, isolation);
    if (ended.outcome !== "WORK_OUTCOME_DONE") break;
  }
  return ended;
}

/**
 * The steps of a segment on a worker of their class. A worker that dies is noticed by its missing heartbeat, and the work begins anew elsewhere. Temporal repeats what waits for something, and what
 * lost its worker, for as long as the run has time; only failures of ours are counted, here.
 */
async function workOn(
  scope: RunScope,
  segment: number,
  startCapability: string,
  isolation: NonNullable<BegunRun["work"]>["isolation"],
): Promise<WorkEnd> {
  const { workSegment } = proxyActivities<WorkspaceActivities>({
    taskQueue: workspaceTaskQueue(isolation),
    startToCloseTimeout: longestWork,
    heartbeatTimeout: "12 s",
    retry: { initialInterval: "1 s", maximumInterval: "1 minute" },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
  let fault: WorkFault | undefined;
  for (let count = 1; ; count += 1) {
    try {
      return await workSegment(scope, segment, startCapability, fault);
    } catch (error) {
      const attempt = failedAttempt(error);
      if (attempt === undefined || count === workFailures) throw error;
      fault = { count, most: workFailures, attempt, reason: describeFailure(error) };
    }
    await sleep(count * 2_000);
  }
}

function endOfWork(ended: WorkEnd | undefined): AbortReason | undefined {
  if (ended === undefined || ended.outcome === "WORK_OUTCOME_DONE") return undefined;
  return { outcome: "RUN_STATUS_FAILED", cause: ended.cause, reason: ended.reason };
}

async function untilStopped(work: Promise<unknown> | undefined): Promise<void> {
  if (work === undefined) return;
  const settled = work.then(
    () => undefined,
    () => undefined,
  );
  await firstOf([() => settled, () => sleep(stopLimit)]);
}

async function proceed(scope: RunScope): Promise<End> {
  const prepared = await callApi((api) => api.prepareSeal(scope));
  if (prepared.desiredState === "DESIRED_STATE_CANCEL") return cancelled;
  if (prepared.verdict?.passed !== true)
    return { outcome: "RUN_STATUS_FAILED", cause: "verdict_failed", reason: reasonOfVerdict(prepared.verdict) };

  let handoff = await callApi((api) => api.deliverHandoff(scope), handingOff);
  if (handoff.progress === "HANDOFF_PROGRESS_PENDING" && handoff.desiredState !== "DESIRED_STATE_CANCEL")
    handoff = await handingOff.awaitHandoff(scope);
  if (handoff.desiredState === "DESIRED_STATE_CANCEL") return cancelled;
  if (handoff.progress !== "HANDOFF_PROGRESS_ACCEPTED")
    return { outcome: "RUN_STATUS_FAILED", cause: "handoff_refused", reason: handoff.reason ?? "" };

  const { committed, fault = "", result } = await callApi((api) => api.commitSeal(scope));
  if (committed) return { committed: { outcome: "RUN_STATUS_COMPLETED", ...result } };
  if (fault === "") return cancelled;
  return { outcome: "RUN_STATUS_FAILED", cause: "evidence_lost", reason: cutText(fault, longestReason) };
}

/** Which limit of time runs is the api's to know: it is asked when one may have passed, and says when to ask again. */
async function untilLimit(scope: RunScope, noneBefore: string | undefined): Promise<End> {
  const remainingMs = Date.parse(noneBefore ?? "") - Date.now();
  if (remainingMs > 0) await sleep(remainingMs);
  return timedOut(await patient.awaitLimit(scope));
}

/** Asks the api after each ring what is wished: the signal itself says nothing. */
async function untilCancelWished(scope: RunScope, bell: { isRung: boolean }): Promise<End> {
  for (;;) {
    await condition(() => bell.isRung);
    bell.isRung = false;
    const { desiredState } = await callApi((api) => api.reportStatus(scope));
    if (desiredState === "DESIRED_STATE_CANCEL") return cancelled;
  }
}

/** Settles as the first of them does, and cancels what the others still wait for. */
async function firstOf<T>(works: readonly (() => Promise<T>)[]): Promise<T> {
  const together = new CancellationScope();
  try {
    return await together.run(() => Promise.race(works.map((work) => work())));
  } finally {
    together.cancel();
  }
}

/** One api call: at once, and when the api is slow or away, for as long as it takes. */
async function callApi<T>(call: (api: ControlActivities) => Promise<T>, patiently = patient): Promise<T> {
  try {
    return await call(quick);
  } catch (error) {
    if (!mayTryAgain(error)) throw error;
    return await call(patiently);
  }
}
