import type { ReferencesJson } from "../gen/automation/v1/ref_pb.ts";
import type { PinnedPersonaJson } from "../gen/automation/v1/run_work_pb.ts";
import type { TimeLimits } from "../runs/time-limits.ts";
import type { ToldEnd } from "../seal/reconcile/told-end.ts";

/** What Temporal gets about a run at its start. */
export interface RunToStart extends TimeLimits {
  readonly tenant: string;
  readonly org: string;
  readonly runId: string;
  readonly generation: number;
  /** Secret: only the workflow's input has it. */
  readonly startCapability: string;
  /** 1 (first) to 5 (last). */
  readonly priority: number;
  /** What it shares its turns with among the tenant's runs; may be empty. */
  readonly fairnessKey: string;
  readonly eventId: string;
  readonly definitionId: string;
  readonly definitionVersion: string;
  readonly profileId: string;
  readonly profileVersion: string;
  readonly cadenceId: string;
  readonly references: ReferencesJson;
  /** The run's goal, on one line, cut to a limit. */
  readonly goal: string;
  /** The personas of its steps, each once. */
  readonly personas: readonly Required<Pick<PinnedPersonaJson, "id" | "version">>[];
  readonly traceparent: string | null;
  readonly tracestate: string | null;
}

/**
 * `started`: also when the workflow existed before. `refused`: Temporal rejects this one start.
 * `away`: no answer, so the start may have happened or not.
 */
export type StartAnswer =
  | { readonly state: "started" }
  | { readonly state: "refused" | "away"; readonly cause: unknown };

/** `absent`: Temporal has no open workflow of that id. */
export type RingAnswer = { readonly state: "rung" | "absent" } | { readonly state: "away"; readonly cause: unknown };

/** How a workflow was closed. */
export type Closed = "completed" | "failed" | "terminated" | "cancelled" | "timed_out";

/**
 * `absent`: Temporal has no such workflow. @param end - the end of the run that the workflow was told; none when it ended without
 * @param reason - what Temporal was told when it was closed; may be empty
 */
export type LookAnswer =
  | { readonly state: "open" | "absent" }
  | { readonly state: "closed"; readonly how: "completed"; readonly end: ToldEnd | undefined }
  | { readonly state: "closed"; readonly how: Exclude<Closed, "completed">; readonly reason: string }
  | { readonly state: "away"; readonly cause: unknown };

/** A workflow of a run, as Temporal tells of it. */
export interface ToldExecution {
  readonly tenant: string;
  readonly runId: string;
  readonly generation: number;
  readonly state: "open" | "closed";
  /** The end that the api had sealed; else how Temporal calls its state, such as `RUNNING`. */
  readonly told: string;
  readonly startedAt: Date;
  readonly closedAt?: Date | undefined;
}

/** The port to Temporal. No call but `list` throws, and each has a timeout of 5 s. */
export interface Workflows {
  start(run: RunToStart): Promise<StartAnswer>;
  /** Signals the run's workflow to ask for the desired state. */
  ring(run: Pick<RunToStart, "tenant" | "runId" | "generation">): Promise<RingAnswer>;
  /** Describes the run's workflow; after a reset, its latest execution. */
  look(run: Pick<RunToStart, "tenant" | "runId" | "generation">): Promise<LookAnswer>;
  reachable(): Promise<boolean>;
  /** The workflows that were started or closed since then; undefined: all. @throws when Temporal does not answer */
  list(since: Date | undefined): AsyncIterable<ToldExecution>;
}
