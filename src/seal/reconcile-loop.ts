import { createAlarm } from "../runs/alarm.ts";
import type { InTransaction } from "../tenancy/transaction.ts";
import type { ReconcileRunDeps } from "./reconcile-run.ts";
import { createReconcileRun } from "./reconcile-run.ts";
import type { ClaimedReconciliation } from "./reconciliation-store.ts";
import { claimDueReconciliations } from "./reconciliation-store.ts";

const atOnce = 8;
const sweepMs = 1_000;

/** Acts on due findings of all tenants until the signal aborts; several replicas may run it. */
export function createReconcileLoop(
  deps: ReconcileRunDeps & {
    readonly inTransaction: InTransaction;
    /** A claim or an act failed; the loop goes on, and the finding is due again later. */
    readonly onError: (error: unknown) => void;
  },
): { run(signal: AbortSignal): Promise<void> } {
  const reconcile = createReconcileRun(deps);
  const alarm = createAlarm();
  const act = async (claimed: ClaimedReconciliation): Promise<void> => {
    try {
      await reconcile(claimed);
    } catch (error) {
      deps.onError(error);
    }
  };
  return {
    async run(signal) {
      while (!signal.aborted) {
        let claimed: ClaimedReconciliation[] = [];
        try {
          claimed = await deps.inTransaction((transaction) => claimDueReconciliations(transaction, atOnce));
          await Promise.all(claimed.map(act));
        } catch (error) {
          deps.onError(error);
        }
        if (claimed.length < atOnce) await alarm.wait(sweepMs, signal);
      }
    },
  };
}
