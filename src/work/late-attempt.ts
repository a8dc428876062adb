import type { PinnedSegmentJson } from "../gen/automation/v1/run_work_pb.ts";
import type { AttemptId } from "../gen/workflows_runtime/v1/run_pb.ts";
import type { OpenRun } from "../runs/in-run.ts";
import { assertOpen } from "../runs/run-status.ts";
import type { RunRow } from "../runs/run-store.ts";
import type { ExecutionId } from "../runs/speaker.ts";
import { SupersededExecutionError } from "../runs/speaker.ts";
import { raiseFence } from "../runs/stream/run-event-store.ts";

/** A run, and the execution that makes the call. */
export interface WorkScope {
  readonly tenant: string;
  readonly org: string;
  readonly runId: string;
  readonly execution: ExecutionId;
}

/** The attempt that makes the call. */
export type SegmentAttempt = Readonly<Pick<AttemptId, "segment" | "number">>;

/** The run has no such segment. */
export class UnknownSegmentError extends Error {
  override readonly name = "UnknownSegmentError";
  readonly code = "unknown_segment";
  constructor({ runId, pins }: RunRow, segment: number) {
    const known = (pins?.segments ?? []).map((each) => each.segment).join(", ");
    super(
      `attempt.segment is ${segment}; run ${runId} has ${known || "none"}: name a segment of the pins that BeginRun answers`,
    );
  }
}

/** @throws UnknownSegmentError */
export function segmentOf(run: RunRow, segment: number): PinnedSegmentJson {
  const pinned = run.pins?.segments?.find((each) => each.segment === segment);
  if (pinned === undefined) throw new UnknownSegmentError(run, segment);
  return pinned;
}

/**
 * Refuses a late attempt, and any attempt when its run has ended or is not being worked on. An attempt is late once the api has heard from a later one of its segment, or from a later segment.
 * @throws UnknownSegmentError, RunEndedError, SupersededExecutionError; nothing was written
 */
export async function assertAttempt(open: OpenRun, { segment, number }: SegmentAttempt): Promise<void> {
  const { run, transaction } = open;
  segmentOf(run, segment);
  assertOpen(run);
  const isWorkedOn = run.status === "PREPARING" || run.status === "RUNNING";
  const fence = { generation: run.generation, segment, attempt: number };
  if (!isWorkedOn || !(await raiseFence(transaction, run, fence))) throw new SupersededExecutionError(run.runId);
}
