import type { RunStatus } from "./run-status.ts";
import { isEnded } from "./run-status.ts";

/** Longest times of a run's phases, in seconds; pinned when it is accepted. */
export interface TimeLimits {
  readonly queueLimitSeconds: number;
  readonly workLimitSeconds: number;
  readonly handoffLimitSeconds: number;
}

/** What decides which limit of a run runs. */
export interface TimedRun extends TimeLimits {
  readonly status: RunStatus;
  /** The event's own; null when it has none. */
  readonly deadlineAt: Date | null;
  readonly createdAt: Date;
  readonly workBegunAt: Date | null;
  readonly sealingAt: Date | null;
}

/** A limit of time: once it has passed, the run is to end TIMED_OUT with its cause. */
export interface TimeLimit {
  readonly cause: "queue_limit_exceeded" | "work_limit_exceeded" | "handoff_limit_exceeded" | "deadline_exceeded";
  readonly dueAt: Date;
}

/**
 * Which limit is due next.
 *
 *   queue      from acceptance until the work begins: a workspace worker takes it up, or, for a plan without steps, the workflow begins
 *   work       from there until its seal is prepared
 *   hand-off   from there until the end
 *   deadline   the event's own runs in all of them
 *
 * No clock starts anew: another attempt, worker or generation goes on with the one that runs.
 * @returns undefined after the end
 */
export function nextLimit(run: TimedRun): TimeLimit | undefined {
  if (isEnded(run.status)) return undefined;
  const limit = limitOfPhase(run);
  const { deadlineAt } = run;
  return deadlineAt !== null && deadlineAt <= limit.dueAt ? { cause: "deadline_exceeded", dueAt: deadlineAt } : limit;
}

/** @returns the limit that has passed, if one has */
export function exceededLimit(run: TimedRun, now: Date): TimeLimit | undefined {
  const limit = nextLimit(run);
  return limit !== undefined && limit.dueAt <= now ? limit : undefined;
}

/** However short the limits of later phases are, a run that waits is looked at no more often, in seconds. */
const shortestLook = 10;

/**
 * Until when nobody needs to ask: the next limit is not due earlier, nor is one that begins to run from now on, but for one of less than 10 s, which may be noticed so much late.
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

/** @returns why the run is to end, for people. @param waitsFor - what it waited for at last; empty: nothing is known to be away */
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
