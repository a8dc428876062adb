import { isEnded } from "../../runs/run-status.ts";
import type { RunRow } from "../../runs/run-store.ts";
import type { TimedRun } from "../../runs/time-limits.ts";
import { exceededLimit, reasonOfLimit } from "../../runs/time-limits.ts";
import type { AbortedEnd } from "../abort/aborted-end.ts";
import type { ToldEnd } from "./told-end.ts";
import { readToldEnd } from "./told-end.ts";

/**
 * What the dispatcher found about a run.
 *
 *   unbegun, silent                                     its workflow is open at Temporal, but has not begun the run, or reports nothing
 *   completed, failed, terminated, cancelled, timed_out its workflow is closed at Temporal; completed with a detail: after it was told the end of the run
 *   absent                                              Temporal has no such workflow
 *   start_refused                                       Temporal refuses to start the workflow
 *   cancel_wished                                       cancellation was requested before an execution had begun the run
 *   limit_passed                                        a time limit has passed, and its workflow did not act on it in time
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
  /** From Temporal; may be empty. */
  readonly detail: string;
}

/** A run is restarted three times; after that it fails. */
export const lastGeneration = 4;

export type Judgement =
  | { readonly action: "leave" }
  | { readonly action: "redrive" }
  | { readonly action: "end"; readonly end: AbortedEnd };

const leave: Judgement = { action: "leave" };

/**
 * Decides what to do with a run that was found in this state. A requested cancel comes first, then an end that Temporal knows, then time limits. A workflow that failed or was stopped ends the run
 * with that cause; when the workflow is missing, or has closed without ending the run, the run is restarted as the next generation.
 *
 * An end that Temporal was told and Postgres does not have was lost by a restore of Postgres. What was executed is not executed again: the run is FAILED, unless its seal was prepared before and
 * it was COMPLETED. Then its next generation goes on with the commit, which looks at all that the prepared statements name, and ends COMPLETED only when it is still there.
 * @param waitsFor - what the run waited for last; empty when unknown
 */
export function judgeLostRun(
  run: Pick<RunRow, "generation" | "desiredState" | "begunAt"> & TimedRun,
  { generation, finding, detail }: Found,
  now: Date,
  waitsFor: string,
): Judgement {
  if (isEnded(run.status) || run.generation !== generation) return leave;
  if (finding === "unbegun" || finding === "silent") return leave;
  if (finding === "cancel_wished" && run.begunAt !== null) return leave; // BeginRun's answer carried the wish
  if (finding === "start_refused" && run.begunAt !== null) return leave;
  if (run.desiredState === "CANCEL") return end("CANCELLED", "cancelled", "the run was asked to end");
  const told = finding === "completed" ? readToldEnd(detail) : undefined;
  if (told !== undefined) return afterRestore(run, told);
  const limit = exceededLimit(run, now);
  if (limit !== undefined) return end("TIMED_OUT", limit.cause, reasonOfLimit(run, limit, waitsFor));
  switch (finding) {
    case "cancel_wished":
    case "limit_passed":
      return leave; // it goes on by now, or another limit runs
    case "start_refused":
      return end("FAILED", "start_refused", withDetail("Temporal refuses to start its workflow", detail));
    case "terminated":
      return end("FAILED", "workflow_terminated", withDetail("its Temporal workflow was terminated", detail));
    case "cancelled":
      return end("CANCELLED", "cancelled", "its Temporal workflow was asked to end");
    case "failed":
      return end("FAILED", "workflow_failed", withDetail("its Temporal workflow failed", detail));
    case "timed_out":
      return end("FAILED", "workflow_failed", withDetail("its Temporal workflow timed out", detail));
    default:
      return generation < lastGeneration
        ? { action: "redrive" }
        : end("FAILED", "workflow_lost", `its Temporal workflow was lost ${generation} times`);
  }
}

function afterRestore({ status, generation }: Pick<RunRow, "status" | "generation">, { outcome }: ToldEnd): Judgement {
  if (outcome === "COMPLETED" && status === "SEALING" && generation < lastGeneration) return { action: "redrive" };
  const reason = `its workflow had ended it as ${outcome}; the database was restored to an earlier time and has no proof of it`;
  return end("FAILED", "restored", reason);
}

function end(outcome: AbortedEnd["outcome"], cause: string, reason: string): Judgement {
  return { action: "end", end: { outcome, cause, reason } };
}

const withDetail = (what: string, detail: string): string => (detail === "" ? what : `${what}: ${detail}`);
