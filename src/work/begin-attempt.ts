import type { WorkAttemptJson } from "../gen/workflows_runtime/v1/run_pb.ts";
import type { WorkFaultJson } from "../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import type { OpenRun } from "../runs/in-run.ts";
import type { RunRow } from "../runs/run-store.ts";
import { takeUpWork } from "../runs/run-store.ts";
import { appendWorkEvents } from "../runs/stream/append-work-events.ts";
import { longestShownReason, shownText } from "../text/strangers-text.ts";

/** A try of the work, as its worker begins it. */
export interface WorkTry {
  /** From 1. */
  readonly attempt: number;
  /** The last failure for a fault of ours, if there was one. */
  readonly fault: WorkFaultJson | undefined;
}

/**
 * Notes which try of the work goes on, and how the one before it ended; from the second on an event tells it, unless the wait that ended the one before was told already.
 * @returns the run as it is then: with the first try its limit of work begins
 */
export async function beginAttempt(open: OpenRun, { attempt, fault }: WorkTry, now: Date): Promise<RunRow> {
  const { run } = open;
  if (attempt <= (run.attempt?.attempt ?? 0)) return run;
  const previousEnd = attempt === 1 ? "" : endOfPrevious(run, { attempt, fault });
  const counted = fault ?? { count: run.attempt?.faults, most: run.attempt?.mostFaults };
  const taken: WorkAttemptJson = {
    attempt,
    begunAt: now.toISOString(),
    ...(previousEnd === "" ? {} : { previousEnd }),
    ...(counted.count === undefined ? {} : { faults: counted.count, mostFaults: counted.most }),
  };
  const begun = { ...run, attempt: taken, workBegunAt: run.workBegunAt ?? now };
  await takeUpWork(open.transaction, begun);
  if (attempt > 1 && run.waiting === null)
    await appendWorkEvents(open, [
      { writerKey: `work/${run.generation}/${attempt}/taken-up`, takenUp: { attempt, previousEnd } },
    ]);
  return begun;
}

function endOfPrevious({ waiting }: RunRow, { attempt, fault }: WorkTry): string {
  if (fault !== undefined && fault.attempt === attempt - 1)
    return shownText(
      `a fault of the scheduler's own (${fault.count} of ${fault.most}): ${fault.reason}`,
      longestShownReason,
    );
  if (waiting !== null) return shownText(`it could not go on: ${waiting.reason}`, longestShownReason);
  return "its worker was lost, or could not say why it ended";
}
