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

/** An api call within the current workflow task: four of them cost only a few history events. A call that takes longer continues at the api, and the next try joins it. */
const quick = proxyLocalActivities<ControlActivities>({
  scheduleToCloseTimeout: "4 s",
  startToCloseTimeout: "1500 ms",
  localRetryThreshold: "1 s",
  retry: { maximumAttempts: 2, initialInterval: "200 ms" },
});

/** The same call while the api is not reachable: Temporal retries it, without history events, as long as the workflow may run. */
const patient = proxyActivities<ControlActivities>({
  startToCloseTimeout: "10 s",
  retry: { initialInterval: "500 ms", maximumInterval: "10 s" },
});

/** A round of hand-off tries; a receiver may take a minute to answer. A repeated call joins the running round at the api. */
const handingOff = proxyActivities<ControlActivities>({
  startToCloseTimeout: "75 s",
  heartbeatTimeout: "12 s",
  retry: { initialInterval: "500 ms", maximumInterval: "10 s" },
});

/** How long an end waits for the worker to stop and to upload what it made. Longer than the heartbeat timeout, so that a dead worker is noticed. */
const stopLimit = "15 s";
/** Longer than the longest time limit of work (30 days), which the api enforces. */
const longestWork = "31 d";

const doorbell = defineSignal(doorbellSignal);

/** Why the run must end other than COMPLETED; or that it is COMPLETED. Undefined: another execution speaks for it. */
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
 * One automation run, from its begin to its sealed end. The workflow decides order and waiting only; every other decision is made and recorded by the api.
 *
 *   begin      BeginRun                     refused → gone · cancel wished, a limit passed → abort · steps → work · else prepare
 *   work       the segments, in their order done → prepare · failed → abort FAILED (its cause) · failed for a fault of ours, three times → abort FAILED (internal)
 *   prepare    PrepareSeal                  verdict passed → hand off · not passed → abort FAILED (verdict_failed); its answer may hold those of the next two, when nothing waited
 *   hand off   DeliverHandoff, then waiting accepted → commit · refused → abort FAILED (handoff_refused)
 *   commit     CommitSeal                   committed → done · a cancel came first → abort CANCELLED · evidence is gone or altered → abort FAILED (evidence_lost)
 *   abort      AbortSeal                    done
 *   done       the run is sealed: its end is told to Temporal's pages, and is the workflow's result
 *   gone       another execution speaks for the run, or it ended before this one began: no effects
 *
 * From work, prepare, hand off and commit, whatever they wait for, leads to abort:
 *   a limit of time → TIMED_OUT with its cause · a doorbell after which the api wishes a cancel → CANCELLED ·
 *   Temporal's own cancel request → CANCELLED · a failure that no repetition heals → FAILED (internal)
 * From any state: an answer that the execution is superseded → gone.
 *
 * When the api has ended the run itself, its answers fail for good, and the workflow goes to abort. There it gets the end that the run has.
 *
 * After a cancel the workflow waits up to 15 s for the work to stop: its worker uploads what was made so far.
 * Begin and abort can't be cancelled: only an execution that speaks for the run can end it, and a chosen end is always sealed.
 * The time limit that applies changes with the phase of the run, and the workflow is not told: it sets one timer to the first moment when any limit may have passed, then asks the api.
 * The timer starts when the first workflow task ends, so that it may be late by that task: 5 s at most.
 * When a commit and an abort race, one of them wins at the api, and the other gets the answer of the winner.
 *
 * An execution that reported an end is Completed for Temporal, whichever end it is. The search attribute `RunOutcome` names the end that the api sealed; without an end it is not set.
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

const gone: RunResult = {
  reason: "another execution speaks for the run, or the run has ended; this one ended without effects",
};

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

/** Does one segment after the other, until one fails. @returns how the last one ended */
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
 * Does a segment on a worker of its class. A dead worker is noticed by its missing heartbeat, and another attempt starts elsewhere. Temporal retries attempts that wait for something or lost their
 * worker, as long as the run has time; only faults of the scheduler itself are counted, here.
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

  let handoff = prepared.handoff ?? (await callApi((api) => api.deliverHandoff(scope), handingOff));
  if (handoff.progress === "HANDOFF_PROGRESS_PENDING" && handoff.desiredState !== "DESIRED_STATE_CANCEL")
    handoff = await handingOff.awaitHandoff(scope);
  if (handoff.desiredState === "DESIRED_STATE_CANCEL") return cancelled;
  if (handoff.progress !== "HANDOFF_PROGRESS_ACCEPTED")
    return { outcome: "RUN_STATUS_FAILED", cause: "handoff_refused", reason: handoff.reason ?? "" };

  const { committed, fault = "", result } = prepared.commit ?? (await callApi((api) => api.commitSeal(scope)));
  if (committed) return { committed: { outcome: "RUN_STATUS_COMPLETED", ...result } };
  if (fault === "") return cancelled;
  return { outcome: "RUN_STATUS_FAILED", cause: "evidence_lost", reason: cutText(fault, longestReason) };
}

/** The api knows which time limit applies: it is asked when one may have passed, and says when to ask again. */
async function untilLimit(scope: RunScope, noneBefore: string | undefined): Promise<End> {
  const remainingMs = Date.parse(noneBefore ?? "") - Date.now();
  if (remainingMs > 0) await sleep(remainingMs);
  return timedOut(await patient.awaitLimit(scope));
}

/** Asks the api after each signal what the run shall do: the signal itself carries nothing. */
async function untilCancelWished(scope: RunScope, bell: { isRung: boolean }): Promise<End> {
  for (;;) {
    await condition(() => bell.isRung);
    bell.isRung = false;
    const { desiredState } = await callApi((api) => api.reportStatus(scope));
    if (desiredState === "DESIRED_STATE_CANCEL") return cancelled;
  }
}

/** Settles like the first of them to settle, and cancels the others. */
async function firstOf<T>(works: readonly (() => Promise<T>)[]): Promise<T> {
  const together = new CancellationScope();
  try {
    return await together.run(() => Promise.race(works.map((work) => work())));
  } finally {
    together.cancel();
  }
}

/** One api call: first as a local activity; if the api is slow or not reachable, as a regular one, for as long as it takes. */
async function callApi<T>(call: (api: ControlActivities) => Promise<T>, patiently = patient): Promise<T> {
  try {
    return await call(quick);
  } catch (error) {
    if (!mayTryAgain(error)) throw error;
    return await call(patiently);
  }
}
