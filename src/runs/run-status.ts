import type { RunStatusJson } from "../gen/automation/v1/run_event_pb.ts";

/**
 * State machine of a run.
 *
 *   QUEUED      waits for a place                    → ADMITTED | SEALING
 *   ADMITTED    workflow started, not begun          → PREPARING | SEALING
 *   PREPARING   an execution speaks for the run      → RUNNING | EVALUATING (a plan without steps) | SEALING
 *   RUNNING     steps run                            → EVALUATING | SEALING
 *   EVALUATING  evidence is judged                   → SEALING
 *   SEALING     the end is decided, proof is made    → COMPLETED | FAILED | CANCELLED | TIMED_OUT
 *   COMPLETED, FAILED, CANCELLED, TIMED_OUT          nothing follows
 *
 * The event of SEALING names the end it leads to. A prepared COMPLETED can still become another end until it is committed.
 */
const next: Record<RunStatus, readonly RunStatus[]> = {
  QUEUED: ["ADMITTED", "SEALING"],
  ADMITTED: ["PREPARING", "SEALING"],
  PREPARING: ["RUNNING", "EVALUATING", "SEALING"],
  RUNNING: ["EVALUATING", "SEALING"],
  EVALUATING: ["SEALING"],
  SEALING: ["COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"],
  COMPLETED: [],
  FAILED: [],
  CANCELLED: [],
  TIMED_OUT: [],
};

/** Status as stored: the proto name without its prefix. */
export type RunStatus =
  | "QUEUED"
  | "ADMITTED"
  | "PREPARING"
  | "RUNNING"
  | "EVALUATING"
  | "SEALING"
  | "COMPLETED"
  | "FAILED"
  | "CANCELLED"
  | "TIMED_OUT";

/** An end of a run. */
export type RunOutcome = Extract<RunStatus, "COMPLETED" | "FAILED" | "CANCELLED" | "TIMED_OUT">;

/** The state machine does not allow this change of status. */
export class IllegalTransitionError extends Error {
  override readonly name = "IllegalTransitionError";
  readonly code = "illegal_transition";
  constructor(from: RunStatus, to: RunStatus) {
    super(`a run can't go from ${from} to ${to}; allowed: ${next[from].join(", ") || "nothing"}`);
  }
}

export const mayFollow = (from: RunStatus, to: RunStatus): boolean => next[from].includes(to);

/** @throws IllegalTransitionError */
export function assertTransition(from: RunStatus, to: RunStatus): void {
  if (!mayFollow(from, to)) throw new IllegalTransitionError(from, to);
}

export function isEnded(status: RunStatus): status is RunOutcome {
  return next[status].length === 0;
}

/** The run has ended and can't be changed. */
export class RunEndedError extends Error {
  override readonly name = "RunEndedError";
  readonly code = "run_ended";
  constructor(runId: string, status: RunOutcome) {
    super(`run ${runId} has ended ${status}; an end is final, ask for a new run instead`);
  }
}

/** @throws RunEndedError */
export function assertOpen({ runId, status }: { readonly runId: string; readonly status: RunStatus }): void {
  if (isEnded(status)) throw new RunEndedError(runId, status);
}

/** @returns the proto JSON name, for example `RUN_STATUS_SEALING` */
export function statusToJson<S extends RunStatus>(status: S): Extract<RunStatusJson, `RUN_STATUS_${S}`> {
  return `RUN_STATUS_${status}` as Extract<RunStatusJson, `RUN_STATUS_${S}`>;
}
