import type { InRun, OpenRun } from "../../runs/in-run.ts";
import { beginNextGeneration } from "../../runs/run-store.ts";
import { SupersededExecutionError } from "../../runs/speaker.ts";
import type { createAbortSeal } from "../abort/abort-seal.ts";
import { findUnansweredTry } from "../handoff/wait-for-receiver.ts";
import type { Finding } from "./judge-lost-run.ts";
import { judgeLostRun, lastGeneration } from "./judge-lost-run.ts";
import type { ClaimedReconciliation } from "./reconciliation-store.ts";
import { findReconciliation, forgetReconciliation } from "./reconciliation-store.ts";

/** What was done about a run. */
export interface Reconciled {
  readonly tenant: string;
  readonly runId: string;
  readonly finding: Finding;
  /** `redriven`, or the end that was sealed. */
  readonly outcome: string;
  readonly cause: string;
}

/** Of one try to seal an end; the next round tries again. */
const sealLimitMs = 60_000;

export interface ReconcileRunDeps {
  readonly inRun: InRun;
  readonly abortSeal: ReturnType<typeof createAbortSeal>;
  readonly now: () => Date;
  readonly onReconciled: (done: Reconciled) => void;
}

/**
 * Acts on what was found about a run, where no execution does: drives it anew, or seals its end. It speaks in the place of the execution that it saw under the stream's lock, or of none:
 * when another one has begun meanwhile, or the run got its end, nothing is changed.
 * @throws what AbortSeal throws, but for SupersededExecutionError; the finding stays due
 */
export function createReconcileRun(deps: ReconcileRunDeps): (claimed: ClaimedReconciliation) => Promise<void> {
  return async (scope) => {
    const { tenant, runId } = scope;
    const judged = await deps.inRun(scope, async (open) => {
      const { run, transaction } = open;
      const found = await findReconciliation(transaction, run);
      if (found === undefined) return;
      const waitsFor =
        run.status === "SEALING" ? await findUnansweredTry(transaction, tenant, runId) : run.waiting?.reason;
      const judgement = judgeLostRun(run, found, deps.now(), waitsFor ?? "");
      if (judgement.action === "end") return { run, finding: found.finding, end: judgement.end };
      if (judgement.action === "redrive") await redriveRun(open);
      await forgetReconciliation(transaction, run);
      return judgement.action === "redrive" ? { run, finding: found.finding, end: undefined } : undefined;
    });
    if (judged === undefined) return;
    const { run, finding, end } = judged;
    if (end === undefined) return deps.onReconciled({ tenant, runId, finding, outcome: "redriven", cause: "" });
    const speaker = { generation: run.generation, firstExecutionRunId: run.executionRunId };
    try {
      const { outcome = "" } = await deps.abortSeal(
        { ...scope, execution: speaker },
        end,
        AbortSignal.timeout(sealLimitMs),
      );
      deps.onReconciled({ tenant, runId, finding, outcome: outcome.replace("RUN_STATUS_", ""), cause: end.cause });
    } catch (error) {
      if (!(error instanceof SupersededExecutionError)) throw error;
    }
    await deps.inRun(scope, (open) => forgetReconciliation(open.transaction, open.run));
  };
}

/**
 * Lets a run whose execution is gone begin again: the next generation is startable, and whatever the lost one still sends is refused. The status stays: what was told has happened.
 * Work begins from the base, unless its report stands; a prepared seal goes on from where it is.
 */
async function redriveRun({ transaction, run, append }: OpenRun): Promise<void> {
  const next = run.generation + 1;
  await Promise.all([
    beginNextGeneration(transaction, run),
    append([
      {
        writerKey: `redrive/${next}`,
        message: {
          text: `the Temporal workflow of generation ${run.generation} is gone; generation ${next} of at most ${lastGeneration} begins anew`,
        },
      },
    ]),
  ]);
}
