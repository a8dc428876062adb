import type { ExecutionId, InRun, OpenRun } from "../runs/in-run.ts";
import { assertSpeaksFor, SupersededExecutionError } from "../runs/in-run.ts";
import { raiseFence } from "../runs/stream/run-event-store.ts";
import type { Scope } from "../tenancy/transaction.ts";

/**
 * Lets one attempt of a run's work speak: an execution that speaks for the run, while it is worked on, and no attempt after a later one was heard.
 * @throws SupersededExecutionError, and nothing was written
 */
export async function assertAttempt(open: OpenRun, attempt: number): Promise<void> {
  const { run, transaction, closed } = open;
  const isWorkedOn = !closed && (run.status === "PREPARING" || run.status === "RUNNING");
  if (!isWorkedOn || !(await raiseFence(transaction, run, attempt))) throw new SupersededExecutionError(run.runId);
}

/** Lets an attempt store objects as it lets it speak. @throws UnknownRunError, SupersededExecutionError */
export function createAssertMayUpload(deps: { readonly inRun: InRun }) {
  return (scope: Scope & { readonly runId: string; readonly execution: ExecutionId }, attempt: number): Promise<void> =>
    deps.inRun(scope, async (open) => {
      assertSpeaksFor(open.run, scope.execution);
      await assertAttempt(open, attempt);
    });
}
