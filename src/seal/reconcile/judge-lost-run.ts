import { isEnded } from "../../runs/run-status.ts";
import type { RunRow } from "../../runs/run-store.ts";
import type { TimedRun } from "../../runs/time-limits.ts";
import { exceededLimit, reasonOfLimit } from "../../runs/time-limits.ts";
import type { AbortedEnd } from "../abort/aborted-end.ts";

/**
 * What the dispatcher found about a run.
 *
 *   unbegun, silent                                     its workflow is open at Temporal; nobody has begun it, or nothing is heard of it
 *   completed, failed, terminated, cancelled, timed_out its workflow is closed at Temporal
 *   absent                                              Temporal has no such workflow
 *   start_refused                                       Temporal does not take the workflow as it is
 *   cancel_wished                                       somebody asked to cancel a run that no execution has begun
 *   limit_passed                                        a limit of time has passed, and so has the time that its workflow had to say so
 */
export type Finding =
  | "unbegun"
  | "silent"
  | "completed"
  | "failed"
  | "terminated"
  | "cancelled"
  | "timed_out"
  | "absent"
  | "start_refused"
  | "cancel_wished"
  | "limit_passed";

export interface Found {
  readonly generation: number;
  readonly finding: Finding;
  /** In Temporal's words; may be empty. */
  readonly detail: string;
}

/** A run is driven three times anew, then it is given up. */
export const lastGeneration = 4;

export type Judgement =
  | { readonly action: "leave" }
  | { readonly action: "redrive" }
  | { readonly action: "end"; readonly end: AbortedEnd };

const leave: Judgement = { action: "leave" };

/**
 * Says what becomes of a run that was found so. What a person wished comes first, then the limits of time; a workflow that failed or was stopped ends the run with that cause;
 * one that is gone, or has ended without an end of the run, is driven anew.
 * @param waitsFor - what it waited for at last; empty: nothing is known to be away
 */
export function judgeLostRun(
  run: Pick<RunRow, "generation" | "desiredState" | "startedAt" | "begunAt"> & TimedRun,
  { generation, finding, detail }: Found,
  now: Date,
  waitsFor: string,
): Judgement {
  if (isEnded(run.status) || run.generation !== generation) return leave;
  if (finding === "unbegun" || finding === "silent") return leave;
  if (finding === "cancel_wished" && run.begunAt !== null) return leave; // BeginRun's answer carried the wish
  if (finding === "start_refused" && run.startedAt !== null) return leave;
  if (run.desiredState === "CANCEL") return end("CANCELLED", "cancelled", "the run was asked to end");
  const limit = exceededLimit(run, now);
  if (limit !== undefined) return end("TIMED_OUT", limit.cause, reasonOfLimit(run, limit, waitsFor));
  switch (finding) {
    case "cancel_wished":
    case "limit_passed":
      return leave; // it goes on by now, or another limit runs
    case "start_refused":
      return end("FAILED", "start_refused", told("Temporal refuses to start its workflow", detail));
    case "terminated":
      return end("FAILED", "workflow_terminated", told("its Temporal workflow was terminated", detail));
    case "cancelled":
      return end("CANCELLED", "cancelled", "its Temporal workflow was asked to end");
    case "failed":
      return end("FAILED", "workflow_failed", told("its Temporal workflow failed", detail));
    case "timed_out":
      return end("FAILED", "workflow_failed", told("its Temporal workflow timed out", detail));
    default:
      return generation < lastGeneration
        ? { action: "redrive" }
        : end("FAILED", "workflow_lost", `its Temporal workflow was lost ${generation} times`);
  }
}

function end(outcome: AbortedEnd["outcome"], cause: string, reason: string): Judgement {
  return { action: "end", end: { outcome, cause, reason } };
}

const told = (what: string, detail: string): string => (detail === "" ? what : `${what}: ${detail}`);
