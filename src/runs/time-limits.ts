import type { RunStatus } from "./run-status.ts";
import { isEnded } from "./run-status.ts";

/** Time limits of the phases of a run, in seconds; fixed when it is accepted. */
export interface TimeLimits {
  readonly queueLimitSeconds: number;
  readonly workLimitSeconds: number;
  readonly handoffLimitSeconds: number;
}

/** The facts of a run that decide which limit applies. */
export interface TimedRun extends TimeLimits {
  readonly status: RunStatus;
  /** Deadline of the event; null when it has none. */
  readonly deadlineAt: Date | null;
  readonly createdAt: Date;
  readonly workBegunAt: Date | null;
  readonly sealingAt: Date | null;
}

/** A time limit: when it has passed, the run ends TIMED_OUT with this cause. */
export interface TimeLimit {
  readonly cause: "queue_limit_exceeded" | "work_limit_exceeded" | "handoff_limit_exceeded" | "deadline_exceeded";
  readonly dueAt: Date;
}

/**
 * Decides which limit is due next.
 *
 *   queue      from acceptance until the work begins: a workspace worker takes it up or, for a plan without steps, the workflow begins
 *   work       from there until its seal is prepared
 *   hand-off   from there until the end
 *   deadline   given by the event, in all phases
 *
 * Another attempt, worker or generation does not restart a limit.
 * @returns undefined after the end
 */
export function nextLimit(run: TimedRun): TimeLimit | undefined {
  if (isEnded(run.status)) return undefined;
  const limit = limitOfPhase(run);
  const { deadlineAt } = run;
  return deadlineAt !== null && deadlineAt <= limit.dueAt ? { cause: "deadline_exceeded", dueAt: deadlineAt } : limit;
}

/** @returns the limit that has passed, if any */
export function exceededLimit(run: TimedRun, now: Date): TimeLimit | undefined {
  const limit = nextLimit(run);
  return limit !== undefined && limit.dueAt <= now ? limit : undefined;
}

/** A waiting run is checked at most this often, in seconds, however short the limits of later phases are. */
const shortestLook = 10;

/**
 * No limit passes before this time: neither the next one nor one of a later phase that begins now. A limit below 10 s may be noticed up to 10 s late.
 * @returns undefined after the end
 */
export function noLimitBefore(run: TimedRun, now: Date): Date | undefined {
  const limit = nextLimit(run);
  if (limit === undefined) return undefined;
  const later = [
    ...(run.workBegunAt === null ? [run.workLimitSeconds] : []),
    ...(run.sealingAt === null ? [run.handoffLimitSeconds] : []),
  ];
  return new Date(
    Math.min(limit.dueAt.getTime(), ...later.map((seconds) => now.getTime() + Math.max(seconds, shortestLook) * 1_000)),
  );
}

/** @returns the reason of the end, for people. @param waitsFor - what the run waited for last; empty when unknown */
export function reasonOfLimit(run: TimedRun, limit: TimeLimit, waitsFor: string): string {
  const reason = {
    queue_limit_exceeded: `nobody took up its work within ${run.queueLimitSeconds} s, the limit of waiting in the queue`,
    work_limit_exceeded: `its work took longer than its limit of ${run.workLimitSeconds} s`,
    handoff_limit_exceeded: `its hand-off took longer than its limit of ${run.handoffLimitSeconds} s`,
    deadline_exceeded: `the deadline of its event, ${limit.dueAt.toISOString()}, passed before its end was committed`,
  }[limit.cause];
  return waitsFor === "" ? reason : `${reason}; at last it waited for this: ${waitsFor}`;
}

function limitOfPhase(run: TimedRun): TimeLimit {
  if (run.sealingAt !== null)
    return { cause: "handoff_limit_exceeded", dueAt: after(run.sealingAt, run.handoffLimitSeconds) };
  if (run.workBegunAt !== null)
    return { cause: "work_limit_exceeded", dueAt: after(run.workBegunAt, run.workLimitSeconds) };
  return { cause: "queue_limit_exceeded", dueAt: after(run.createdAt, run.queueLimitSeconds) };
}

const after = (at: Date, seconds: number) => new Date(at.getTime() + seconds * 1_000);
