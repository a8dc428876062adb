import { draftRun, statusEvent } from "./run-draft.ts";
import type { RunRow } from "./run-store.ts";
import { genesis } from "./stream/chain-events.ts";
import type { StreamAddition } from "./stream/run-event-store.ts";
import type { TimeLimits } from "./time-limits.ts";

/** What a request decides about its run. */
export interface AcceptedRun
  extends TimeLimits,
    Pick<
      RunRow,
      | "tenant"
      | "org"
      | "runId"
      | "requestId"
      | "source"
      | "eventId"
      | "definitionId"
      | "definitionVersion"
      | "definitionDigest"
      | "profileId"
      | "profileVersion"
      | "profileDigest"
      | "ruleId"
      | "ruleVersion"
      | "rerunOf"
      | "method"
      | "workKind"
      | "cadenceId"
      | "references"
      | "requested"
      | "pins"
      | "correlationId"
      | "traceparent"
      | "tracestate"
      | "deadlineAt"
    > {
  /** 1 (first) to 5 (last). */
  readonly priority: number;
  /** The limits it waits for, as limit/scope/value. */
  readonly queueKeys: readonly string[];
  /** What it shares its turns with, as scope/value; empty: with all that have none. */
  readonly fairnessKey: string;
  /** What Temporal's web pages show of the request. */
  readonly shown: { readonly goal: string; readonly personas: readonly object[] };
}

/** A new run with its first event. */
export interface NewRun extends StreamAddition {
  readonly run: RunRow & Pick<AcceptedRun, "priority" | "shown" | "queueKeys" | "fairnessKey">;
}

/** @param at - time of acceptance, UTC; time limits count from here */
export function newRun(accepted: AcceptedRun, at: Date): NewRun {
  const run: NewRun["run"] = {
    ...accepted,
    status: "QUEUED",
    reason: "",
    desiredState: "RUN",
    generation: 1,
    executionRunId: null,
    baseCommit: null,
    day: at.toISOString().slice(0, 10),
    createdAt: at,
    admittedAt: null,
    begunAt: null,
    workBegunAt: null,
    sealingAt: null,
    endedAt: null,
    waiting: null,
    cancel: null,
    attempt: null,
  };
  const draft = draftRun(run, genesis, at);
  draft.append([statusEvent("accept", run)]);
  return { run, events: draft.events, head: draft.head };
}
