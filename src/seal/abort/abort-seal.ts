import { insertArtifacts } from "../../artifacts/artifact-store.ts";
import type { RunResultJson } from "../../gen/automation/v1/run_result_pb.ts";
import type { AbortSealResponseJson } from "../../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import type { ReceiverOf } from "../../methodology/methodology.ts";
import { discardProvisional, indexSubjects, insertStatements } from "../../proof/attestations/run-statement-store.ts";
import { signStatement } from "../../proof/attestations/sign-statement.ts";
import type { UseKeys } from "../../proof/attestations/signer.ts";
import { insertVerdict } from "../../proof/gates/verdict-store.ts";
import type { InRun } from "../../runs/in-run.ts";
import { StreamMovedError } from "../../runs/in-run.ts";
import { assertSpeaksFor } from "../../runs/speaker.ts";
import { evidenceJudged, impedimentRaised } from "../../telemetry/metrics/evidence-metrics.ts";
import { runAborted } from "../../telemetry/metrics/run-metrics.ts";
import { storableJson } from "../../text/strangers-text.ts";
import { followUp } from "../handoff/handoff-call.ts";
import { insertCalls } from "../handoff/handoff-store.ts";
import { isImpediment, raiseImpediment } from "../impediments/raise-impediment.ts";
import { runArtifacts } from "../run-artifacts.ts";
import { readRunResult } from "../run-result.ts";
import type { EndScope } from "../run-so-far.ts";
import { decideAgainWhenMoved, readRunSoFar } from "../run-so-far.ts";
import { abortUnlessCommitted } from "../seal-store.ts";
import type { AbortedEnd, DraftedEnd } from "./aborted-end.ts";
import { withReasonOfCancel } from "./aborted-end.ts";
import type { DraftEndDeps } from "./draft-end.ts";
import { draftFallbackEnd, draftFullEnd, isFaultOfContent } from "./draft-end.ts";

export interface AbortSealDeps extends DraftEndDeps {
  readonly inRun: InRun;
  readonly receiverOf: ReceiverOf;
  readonly useKeys: UseKeys;
  /** The end can't be written with what the run left, and is written without it. */
  readonly onFallback: (error: unknown, run: { readonly tenant: string; readonly runId: string }) => void;
  /** Called after an abort: cancels and an impediment may be due. */
  readonly onDue: () => void;
}

/**
 * Ends a run FAILED, CANCELLED or TIMED_OUT from any state. What was prepared for COMPLETED is discarded, and its tries are cancelled at their receivers.
 * The evidence of this end (the closed event log, what its work left, agent-run, a FAILED verification summary) is stored, signed and registered in one transaction with it.
 * When the end can't be written because of what the run left, a fallback without strangers' text and the worker's objects is: it needs only Postgres, the key and the object store.
 * A repeated call gets the recorded end; after a commit that is COMPLETED.
 * @throws UnknownRunError, SupersededExecutionError, StreamMovedError, the signal's reason
 */
export function createAbortSeal(deps: AbortSealDeps) {
  return (scope: EndScope, told: AbortedEnd, signal: AbortSignal): Promise<AbortSealResponseJson> =>
    decideAgainWhenMoved(async () => {
      signal.throwIfAborted();
      const soFar = await readRunSoFar(deps.inRun, scope);
      const { seal, run } = soFar;
      const end = storableJson(withReasonOfCancel(told, run));
      if (seal !== undefined && seal.state !== "PREPARED") return answerOf(await deps.inRun(scope, readRunResult));
      let result: RunResultJson;
      try {
        result = await abort(deps, scope, await draftFullEnd(deps, soFar, end, signal));
      } catch (error) {
        if (!isFaultOfContent(error)) throw error;
        deps.onFallback(error, scope);
        result = await abort(deps, scope, await draftFallbackEnd(deps, soFar, { end, error }, signal));
      }
      runAborted(end.outcome, end.cause);
      deps.onDue();
      return answerOf(result);
    });
}

const answerOf = (result: RunResultJson): AbortSealResponseJson => ({ outcome: result.outcome, result });

async function abort(deps: AbortSealDeps, scope: EndScope, drafted: DraftedEnd): Promise<RunResultJson> {
  const { soFar, end, draft, log, proof, uploads, at } = drafted;
  const { run, gate, calls } = soFar;
  const { outcome, cause } = end;
  const { sign } = await deps.useKeys();
  const signed = await Promise.all(proof.statements.map((statement) => signStatement(sign, statement)));
  const cancels = calls.filter((call) => call.phase === "TRY").map((tried) => followUp(tried, "CANCEL", at));

  let occurrences: number | undefined;
  const result = await deps.inRun(scope, async (open) => {
    assertSpeaksFor(open.run, scope.execution);
    const { transaction } = open;
    const { tenant, runId } = run;
    const [isMine] = await Promise.all([
      abortUnlessCommitted(transaction, { tenant, runId, outcome, gate: gate.id, cause, log, at }),
      insertVerdict(transaction, run, { judgement: "END", verdict: proof.verdict, at }),
      discardProvisional(transaction, tenant, runId),
      insertStatements(transaction, { ...run, outcome, at }, proof.statements, signed),
      indexSubjects(transaction, tenant, runId),
      insertArtifacts(transaction, tenant, runArtifacts(run, log, uploads, at)),
      insertCalls(transaction, run, cancels, at),
      open.write(draft),
    ]);
    if (!isMine) throw new StreamMovedError(runId);
    occurrences = isImpediment(run, outcome) ? await raiseImpediment(deps, transaction, drafted) : undefined;
    return readRunResult(open);
  });
  if (soFar.verdict === undefined) evidenceJudged(run.profileId, proof.verdict.lines ?? []);
  if (occurrences !== undefined) impedimentRaised(run.method, cause, occurrences);
  return result;
}
