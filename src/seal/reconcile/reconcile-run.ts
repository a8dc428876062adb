import type { InRun, OpenRun } from "../../runs/in-run.ts";
import { beginNextGeneration } from "../../runs/run-store.ts";
import { SupersededExecutionError } from "../../runs/speaker.ts";
import type { createAbortSeal } from "../abort/abort-seal.ts";
import { findUnansweredTry } from "../handoff/wait-for-receiver.ts";
import type { Finding } from "./judge-lost-run.ts";
import { judgeLostRun, lastGeneration } from "./judge-lost-run.ts";
import type { ClaimedReconciliation } from "./reconciliation-store.ts";
import { findReconciliation, forgetReconciliation } from "./reconciliation-store.ts";
import { readToldEnd } from "./told-end.ts";

/** What was done about a run. */
export interface Reconciled {
  readonly tenant: string;
  readonly runId: string;
  readonly finding: Finding;
  /** `redriven`, or the end that was sealed. */
  readonly outcome: string;
  readonly cause: string;
}

/** Time limit of one attempt to seal an end; a later round tries again. */
const sealLimitMs = 60_000;

export interface ReconcileRunDeps {
  readonly inRun: InRun;
  readonly abortSeal: ReturnType<typeof createAbortSeal>;
  readonly now: () => Date;
  readonly onReconciled: (done: Reconciled) => void;
}

/**
 * Acts on a finding about a run that has no working execution: restarts the run, or seals its end. It acts in the name of the execution that it saw under the stream's lock;
 * when another execution has begun meanwhile, or the run has ended, it changes nothing.
 * @throws what AbortSeal throws, except SupersededExecutionError; the finding stays due
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
      if (judgement.action !== "leave") await passLostSequences(open, readToldEnd(found.detail)?.lastSequence ?? 0);
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
 * Goes beyond the numbers under which the bus has events that Postgres lost: what the run says from now on is new to every consumer. The events between are in the log, which has no gap, and
 * are not published.
 */
async function passLostSequences({ head, append }: OpenRun, last: number): Promise<void> {
  const lost = Array.from({ length: Math.max(0, last - head.lastSequence) }, (_, n) => head.lastSequence + 1 + n);
  const text =
    "the event of this number was lost when the database was restored to an earlier time; the bus may have it";
  if (lost.length > 0) await append(lost.map((sequence) => ({ writerKey: `lost/${sequence}`, message: { text } })));
}

/**
 * Restarts a run whose execution is lost, as its next generation; calls of the lost execution are refused from then on. The status stays as it is.
 * Work begins again from the base commit, unless its report is complete; a prepared seal is continued.
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
