import type { RunRow } from "./run-store.ts";

/** Which Temporal execution is calling. */
export interface ExecutionId {
  readonly generation: number;
  readonly firstExecutionRunId: string;
}

/** Who may write to a run: its current execution, or the reconciler in its name. Null: no execution has begun the run. */
export interface Speaker {
  readonly generation: number;
  readonly firstExecutionRunId: string | null;
}

/** Another Temporal execution speaks for the run; the calling one must end without effects. */
export class SupersededExecutionError extends Error {
  override readonly name = "SupersededExecutionError";
  readonly code = "superseded_execution";
  constructor(runId: string) {
    super(`another execution speaks for run ${runId}; this one must end without effects`);
  }
}

/** @throws SupersededExecutionError */
export function assertSpeaksFor(run: RunRow, speaker: Speaker): void {
  if (run.generation !== speaker.generation || run.executionRunId !== speaker.firstExecutionRunId)
    throw new SupersededExecutionError(run.runId);
}
