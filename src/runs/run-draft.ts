import type { EventContextJson, TimeLimitJson } from "../gen/automation/v1/run_event_pb.ts";
import type { RunOutcome, RunStatus } from "./run-status.ts";
import { assertTransition, isEnded, statusToJson } from "./run-status.ts";
import type { RunRow } from "./run-store.ts";
import type { ChainedEvent, EventDraft, StreamHead } from "./stream/chain-events.ts";
import { chainEvents } from "./stream/chain-events.ts";
import type { TimedRun, TimeLimit } from "./time-limits.ts";
import { nextLimit } from "./time-limits.ts";

/** What is going to be said about a run from one point of its stream on, worked out before it is written. */
export interface RunDraft {
  /** Where the stream must stand when the draft is written. */
  readonly base: StreamHead;
  readonly run: RunRow;
  readonly head: StreamHead;
  readonly events: readonly ChainedEvent[];
  /** The run after each change of its status, in their order. */
  readonly moves: readonly RunRow[];
  /** Adds events; sequence, time and hash are given here. */
  append(drafts: readonly EventDraft[]): void;
  /** Changes the status and adds its event. @throws IllegalTransitionError */
  moveTo(status: RunStatus, writerKey: string, why?: { readonly reason?: string; readonly outcome?: RunOutcome }): void;
}

/** @param at - time of everything the draft says, UTC */
export function draftRun(start: RunRow, base: StreamHead, at: Date): RunDraft {
  let run = start;
  let head = base;
  const events: ChainedEvent[] = [];
  const moves: RunRow[] = [];
  const append = (drafts: readonly EventDraft[]): void => {
    const chained = chainEvents(head, { runId: run.runId, context: eventContextOf(run) }, drafts, at);
    head = chained.head;
    events.push(...chained.events);
  };
  return {
    base,
    get run() {
      return run;
    },
    get head() {
      return head;
    },
    events,
    moves,
    append,
    moveTo(status, writerKey, { reason = "", outcome } = {}) {
      assertTransition(run.status, status);
      const previous = run.status;
      const end = isEnded(status) ? status : outcome;
      const sealingAt = status === "SEALING" ? at : run.sealingAt;
      const workBegunAt = run.workBegunAt ?? (status === "PREPARING" && run.pins === null ? at : null);
      run = { ...run, status, reason, workBegunAt, sealingAt, endedAt: isEnded(status) ? at : null };
      moves.push(run);
      append([statusEvent(writerKey, run, { previous, reason, end })]);
    },
  };
}

/** The event that tells a new status, with the limit of time that runs from then on. @param run - as it is after the change */
export function statusEvent(
  writerKey: string,
  run: TimedRun,
  change: {
    readonly previous?: RunStatus;
    readonly reason?: string;
    /** The end that the run has, or that SEALING leads to. */
    readonly end?: RunOutcome | undefined;
  } = {},
): EventDraft {
  const { previous, reason = "", end } = change;
  const limit = end === undefined || end === "COMPLETED" ? nextLimit(run) : undefined;
  return {
    writerKey,
    status: {
      status: statusToJson(run.status),
      ...(previous === undefined ? {} : { previous: statusToJson(previous) }),
      ...(reason === "" ? {} : { reason }),
      ...(end === undefined ? {} : { outcome: statusToJson(end) }),
      ...(limit === undefined ? {} : { limit: limitToJson(limit) }),
    },
  };
}

/** A limit as people see it. */
export const limitToJson = ({ cause, dueAt }: TimeLimit): TimeLimitJson => ({ cause, dueAt: dueAt.toISOString() });

/** What every event of the run carries. */
export function eventContextOf(
  run: Pick<RunRow, "tenant" | "org" | "profileId" | "profileVersion" | "cadenceId" | "references">,
): EventContextJson {
  const { tenant, org, profileId, profileVersion, cadenceId, references } = run;
  return { tenant, org, profileId, profileVersion, cadenceId, references };
}
