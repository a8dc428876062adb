import { enumToJson } from "@bufbuild/protobuf";
import { RunStatus, RunStatusSchema } from "../../gen/automation/v1/run_event_pb.ts";
import type { UploadJson } from "../../gen/automation/v1/run_work_pb.ts";
import type { CancelRequestedJson } from "../../gen/workflows_runtime/v1/run_pb.ts";
import type { AbortSealRequest } from "../../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import type { EventLog } from "../../proof/statements/event-log.ts";
import type { EndProof } from "../../proof/statements/statements-of-end.ts";
import type { RunDraft } from "../../runs/run-draft.ts";
import type { RunOutcome } from "../../runs/run-status.ts";
import type { RunRow } from "../../runs/run-store.ts";
import type { RunSoFar } from "../run-so-far.ts";

/** An end that is not COMPLETED, and why. */
export interface AbortedEnd {
  readonly outcome: Exclude<RunOutcome, "COMPLETED">;
  /**
   * Stable code: `verdict_failed`, `handoff_refused`, `cancelled`, `internal`, a cause named by the work, or the cause of a time limit; from the reconciler `workflow_terminated`, `workflow_failed`,
   * `workflow_lost`, `restored`, `start_refused`.
   */
  readonly cause: string;
  readonly reason: string;
}

/** An end with its proof, before it is written. */
export interface DraftedEnd {
  readonly soFar: RunSoFar;
  readonly end: AbortedEnd;
  readonly draft: RunDraft;
  readonly log: EventLog;
  readonly proof: EndProof;
  readonly uploads: readonly UploadJson[];
  readonly at: Date;
  readonly isFallback: boolean;
}

/** AbortSeal was asked for an outcome that it does not seal. */
export class UnsealableOutcomeError extends Error {
  override readonly name = "UnsealableOutcomeError";
  readonly code = "invalid_request";
  constructor(outcome: string) {
    super(`outcome is ${outcome}; it must be RUN_STATUS_FAILED, RUN_STATUS_CANCELLED or RUN_STATUS_TIMED_OUT`);
  }
}

const ends = new Map<RunStatus, AbortedEnd["outcome"]>([
  [RunStatus.FAILED, "FAILED"],
  [RunStatus.CANCELLED, "CANCELLED"],
  [RunStatus.TIMED_OUT, "TIMED_OUT"],
]);

/** @throws UnsealableOutcomeError when the request names no end, or COMPLETED */
export function abortedEndOf({ outcome, cause, reason }: AbortSealRequest): AbortedEnd {
  const end = ends.get(outcome);
  if (end === undefined) throw new UnsealableOutcomeError(enumToJson(RunStatusSchema, outcome) ?? String(outcome));
  return { outcome: end, cause, reason };
}

/** Adds to the end of a cancelled run who cancelled it and why; callers of AbortSeal do not know it. */
export function withReasonOfCancel(end: AbortedEnd, { cancel }: Pick<RunRow, "cancel">): AbortedEnd {
  return end.cause === "cancelled" && cancel !== null ? { ...end, reason: reasonOfCancel(cancel) } : end;
}

const reasonOfCancel = ({ principal = "", reason = "" }: CancelRequestedJson): string =>
  `cancelled by ${principal}${reason === "" ? "" : `: ${reason}`}`;
