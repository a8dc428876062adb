import type { RunRow } from "./run-store.ts";

/** Which Temporal execution is calling. */
export interface ExecutionId {
  readonly generation: number;
  readonly firstExecutionRunId: string;
}

/** Who speaks for a run: its execution or, in the place of the one that was seen, the reconciler; null: no execution had begun. */
export interface Speaker {
  readonly generation: number;
  readonly firstExecutionRunId: string | null;
}

/** The calling Temporal execution does not speak for the run: it ends without effects. */
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
