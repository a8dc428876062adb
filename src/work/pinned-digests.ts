import type { ExecutionId } from "../runs/in-run.ts";
import { assertSpeaksFor, UnknownRunError } from "../runs/in-run.ts";
import { findRun } from "../runs/run-store.ts";
import type { InScope } from "../tenancy/transaction.ts";

/**
 * Digests of the personas that a run works with, for the execution that speaks for it.
 * @throws UnknownRunError, SupersededExecutionError
 */
export function createPinnedDigests(deps: { readonly inScope: InScope }) {
  return async (scope: {
    readonly tenant: string;
    readonly org: string;
    readonly runId: string;
    readonly execution: ExecutionId;
  }): Promise<readonly string[]> => {
    const run = await deps.inScope(scope, (transaction) => findRun(transaction, scope.tenant, scope.runId));
    if (run === undefined) throw new UnknownRunError(scope.runId);
    assertSpeaksFor(run, scope.execution);
    return (run.pins?.personas ?? []).map(({ digest = "" }) => digest);
  };
}
