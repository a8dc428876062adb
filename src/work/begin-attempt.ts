import type { WorkAttemptJson } from "../gen/workflows_runtime/v1/run_pb.ts";
import type { WorkFaultJson } from "../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import type { OpenRun } from "../runs/in-run.ts";
import type { RunRow } from "../runs/run-store.ts";
import { takeUpWork } from "../runs/run-store.ts";
import { appendWorkEvents } from "../runs/stream/append-work-events.ts";
import { longestShownReason, shownText } from "../text/strangers-text.ts";
import type { SegmentAttempt } from "./late-attempt.ts";
import { segmentOf } from "./late-attempt.ts";

/**
 * Records which attempt works now, and how the previous one ended. From the second attempt of a segment on, an event says so, unless an event already said what the previous one waits for.
 * @param fault - the last failure of the segment that was a fault of the scheduler itself
 * @returns the run as it is afterwards: the first attempt starts the time limit of the work
 * @throws UnknownSegmentError
 */
export async function beginAttempt(
  open: OpenRun,
  { segment, number }: SegmentAttempt,
  fault: WorkFaultJson | undefined,
  now: Date,
): Promise<RunRow> {
  const { run } = open;
  segmentOf(run, segment);
  const last = run.attempt ?? {};
  const before = last.segment === segment ? last : undefined;
  const isLater = segment === (last.segment ?? 0) ? number > (last.attempt ?? 0) : segment > (last.segment ?? 0);
  if (!isLater) return run;
  const previousEnd = number === 1 ? "" : endOfPrevious(run, number, fault);
  const counted = fault ?? { count: before?.faults, most: before?.mostFaults };
  const taken: WorkAttemptJson = {
    segment,
    attempt: number,
    begunAt: now.toISOString(),
    ...(previousEnd === "" ? {} : { previousEnd }),
    ...(counted.count === undefined ? {} : { faults: counted.count, mostFaults: counted.most }),
  };
  const begun = { ...run, attempt: taken, workBegunAt: run.workBegunAt ?? now };
  await takeUpWork(open.transaction, begun);
  if (number > 1 && run.waiting === null)
    await appendWorkEvents(open, [
      {
        writerKey: `work/${run.generation}/${segment}/${number}/taken-up`,
        takenUp: { attempt: number, previousEnd },
      },
    ]);
  return begun;
}

function endOfPrevious({ waiting }: RunRow, number: number, fault: WorkFaultJson | undefined): string {
  if (fault !== undefined && fault.attempt === number - 1)
    return shownText(
      `a fault of the scheduler's own (${fault.count} of ${fault.most}): ${fault.reason}`,
      longestShownReason,
    );
  if (waiting !== null) return shownText(`it could not go on: ${waiting.reason}`, longestShownReason);
  return "its worker was lost, or could not say why it ended";
}
