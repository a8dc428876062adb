import type { Loop } from "../../loops/loop.ts";
import { createLoop } from "../../loops/loop.ts";
import type { InTransaction } from "../../tenancy/transaction.ts";
import type { ReconcileRunDeps } from "./reconcile-run.ts";
import { createReconcileRun } from "./reconcile-run.ts";
import { claimDueReconciliations } from "./reconciliation-store.ts";

const atOnce = 8;
const sweepMs = 1_000;

/** Acts on due findings of all tenants until the signal aborts; several replicas may run it. */
export function createReconcileLoop(
  deps: ReconcileRunDeps & {
    readonly inTransaction: InTransaction;
    /** Claiming or acting failed; the loop goes on, and the finding is due again later. */
    readonly onError: (error: unknown) => void;
  },
): Loop {
  const reconcile = createReconcileRun(deps);
  return createLoop({
    sweepMs,
    round: async () => {
      const claimed = await deps.inTransaction((transaction) => claimDueReconciliations(transaction, atOnce));
      await Promise.all(claimed.map((run) => reconcile(run).catch(deps.onError)));
      return claimed.length === atOnce;
    },
    onError: deps.onError,
  });
}
