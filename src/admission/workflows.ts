import type { ReferencesJson } from "../gen/automation/v1/ref_pb.ts";
import type { PinnedPersonaJson } from "../gen/automation/v1/run_work_pb.ts";
import type { TimeLimits } from "../runs/time-limits.ts";

/** What Temporal is told about a run when it starts. */
export interface RunToStart extends TimeLimits {
  readonly tenant: string;
  readonly org: string;
  readonly runId: string;
  readonly generation: number;
  /** Secret: goes into the workflow's input, and nowhere else. */
  readonly startCapability: string;
  /** 1 (first) to 5 (last). */
  readonly priority: number;
  readonly eventId: string;
  readonly definitionId: string;
  readonly definitionVersion: string;
  readonly profileId: string;
  readonly profileVersion: string;
  readonly cadenceId: string;
  readonly references: ReferencesJson;
  /** What the run shall achieve: fit for one line, and cut. */
  readonly goal: string;
  /** Those that its steps name, each once. */
  readonly personas: readonly Required<Pick<PinnedPersonaJson, "id" | "version">>[];
  readonly traceparent: string | null;
  readonly tracestate: string | null;
}

/**
 * `started` also when it was there before; `refused`: this one run can't be started as it is;
 * `away`: no answer, so that nothing is known of it.
 */
export type StartAnswer =
  | { readonly state: "started" }
  | { readonly state: "refused" | "away"; readonly cause: unknown };

/** `absent`: no such workflow is open. */
export type RingAnswer = { readonly state: "rung" | "absent" } | { readonly state: "away"; readonly cause: unknown };

/** How a workflow was closed. */
export type Closed = "completed" | "failed" | "terminated" | "cancelled" | "timed_out";

/** `absent`: Temporal has no such workflow. @param reason - what Temporal was told when it was closed; may be empty */
export type LookAnswer =
  | { readonly state: "open" | "absent" }
  | { readonly state: "closed"; readonly how: Closed; readonly reason: string }
  | { readonly state: "away"; readonly cause: unknown };

/** Temporal, as dispatch needs it. Nothing here throws, and every call has a limit of 5 s. */
export interface Workflows {
  start(run: RunToStart): Promise<StartAnswer>;
  /** Wakes the run's workflow, so that it asks what is wished. */
  ring(run: Pick<RunToStart, "tenant" | "runId" | "generation">): Promise<RingAnswer>;
  /** Says how the run's workflow stands; of a workflow that was reset, its latest execution. */
  look(run: Pick<RunToStart, "tenant" | "runId" | "generation">): Promise<LookAnswer>;
  reachable(): Promise<boolean>;
}
