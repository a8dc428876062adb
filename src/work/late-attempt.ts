import type { OpenRun } from "../runs/in-run.ts";
import type { ExecutionId } from "../runs/speaker.ts";
import { SupersededExecutionError } from "../runs/speaker.ts";
import { raiseFence } from "../runs/stream/run-event-store.ts";

/** Whose work, and which execution speaks. */
export interface WorkScope {
  readonly tenant: string;
  readonly org: string;
  readonly runId: string;
  readonly execution: ExecutionId;
}

/**
 * Lets one attempt of a run's work speak: an execution that speaks for the run, while it is worked on, and no attempt after a later one was heard.
 * @throws SupersededExecutionError, and nothing was written
 */
export async function assertAttempt(open: OpenRun, attempt: number): Promise<void> {
  const { run, transaction, closed } = open;
  const isWorkedOn = !closed && (run.status === "PREPARING" || run.status === "RUNNING");
  if (!isWorkedOn || !(await raiseFence(transaction, run, attempt))) throw new SupersededExecutionError(run.runId);
}
