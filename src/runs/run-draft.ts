import type { ReferencesJson } from "../gen/automation/v1/ref_pb.ts";
import type { EventContextJson, TimeLimitJson } from "../gen/automation/v1/run_event_pb.ts";
import type { RunOutcome, RunStatus } from "./run-status.ts";
import { assertTransition, isEnded, mayFollow, statusToJson } from "./run-status.ts";
import type { RunRow } from "./run-store.ts";
import type { ChainedEvent, EventDraft, StreamHead } from "./stream/chain-events.ts";
import { chainEvents } from "./stream/chain-events.ts";
import type { TimedRun, TimeLimit } from "./time-limits.ts";
import { nextLimit } from "./time-limits.ts";

/** The next events and status changes of a run, prepared before they are written. */
export interface RunDraft {
  /** Head of the stream that the draft follows; the stream must still be there when the draft is written. */
  readonly base: StreamHead;
  readonly run: RunRow;
  readonly head: StreamHead;
  readonly events: readonly ChainedEvent[];
  /** The run after each change of its status that has to be written, in order: one that the next may skip is an event only. */
  readonly moves: readonly RunRow[];
  /** Adds events; sets their sequence, time and hash. */
  append(drafts: readonly EventDraft[]): void;
  /** The references that later events of the draft name; whoever calls this writes them. */
  refersTo(references: ReferencesJson): void;
  /** Changes the status and adds its event. @throws IllegalTransitionError */
  moveTo(status: RunStatus, writerKey: string, why?: { readonly reason?: string; readonly outcome?: RunOutcome }): void;
}

/** @param at - time of all events and changes, UTC */
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
    refersTo(references) {
      run = { ...run, references };
    },
    moveTo(status, writerKey, { reason = "", outcome } = {}) {
      assertTransition(run.status, status);
      const previous = run.status;
      const end = isEnded(status) ? status : outcome;
      const admittedAt = status === "ADMITTED" ? at : run.admittedAt;
      const sealingAt = status === "SEALING" ? at : run.sealingAt;
      const workBegunAt = run.workBegunAt ?? (status === "PREPARING" && run.pins === null ? at : null);
      run = { ...run, status, reason, admittedAt, workBegunAt, sealingAt, endedAt: isEnded(status) ? at : null };
      const before = moves.at(-2)?.status ?? start.status;
      if (moves.length > 0 && mayFollow(before, status)) moves.pop();
      moves.push(run);
      append([statusEvent(writerKey, run, { previous, reason, end })]);
    },
  };
}

/** The event of a new status, with the time limit that applies from then on. @param run - after the change */
export function statusEvent(
  writerKey: string,
  run: TimedRun,
  change: {
    readonly previous?: RunStatus;
    readonly reason?: string;
    /** The end of the run, or the end that SEALING leads to. */
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

/** A time limit in the form of the api. */
export const limitToJson = ({ cause, dueAt }: TimeLimit): TimeLimitJson => ({ cause, dueAt: dueAt.toISOString() });

/** The context that every event of the run has. */
export function eventContextOf(
  run: Pick<RunRow, "tenant" | "org" | "profileId" | "profileVersion" | "cadenceId" | "references">,
): EventContextJson {
  const { tenant, org, profileId, profileVersion, cadenceId, references } = run;
  return { tenant, org, profileId, profileVersion, cadenceId, references };
}
