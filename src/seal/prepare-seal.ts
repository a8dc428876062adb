import type { ObjectStore } from "../artifacts/object-store.ts";
import type { PrepareSealResponseJson } from "../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import { readContext } from "../methodology/context-references.ts";
import type { ReceiverOf } from "../methodology/methodology.ts";
import { insertStatements } from "../proof/attestations/run-statement-store.ts";
import { decideVerdict } from "../proof/gates/decide-verdict.ts";
import { insertVerdict } from "../proof/gates/verdict-store.ts";
import { statementsOfEnd } from "../proof/statements/statements-of-end.ts";
import type { InRun } from "../runs/in-run.ts";
import { draftRun } from "../runs/run-draft.ts";
import { assertSpeaksFor } from "../runs/speaker.ts";
import { evidenceJudged } from "../telemetry/metrics/evidence-metrics.ts";
import type { InScope } from "../tenancy/transaction.ts";
import { findingsOf } from "../work/findings.ts";
import { closeLog } from "./close-log.ts";
import type { PreparedSeal } from "./commit-seal.ts";
import type { HandoffScope } from "./handoff/handoff-call.ts";
import { findReceiver, tryCall } from "./handoff/handoff-call.ts";
import type { NewCall } from "./handoff/handoff-store.ts";
import { insertCalls, storedCall } from "./handoff/handoff-store.ts";
import type { RunSoFar, SealScope } from "./run-so-far.ts";
import { decideAgainWhenMoved, desiredStateOf, readRunSoFar } from "./run-so-far.ts";
import { insertPreparedSeal } from "./seal-store.ts";

export interface Prepared {
  readonly answer: PrepareSealResponseJson;
  /** What this call stored, for who goes on at once; undefined when it stored nothing, or an earlier one did. */
  readonly fresh?: PreparedSeal;
  /** True when the run is COMPLETED already. */
  readonly isCommitted?: boolean;
}

export interface PrepareSealDeps {
  readonly inRun: InRun;
  readonly inScope: InScope;
  readonly objects: Pick<ObjectStore, "putOnce" | "digestOf" | "refresh">;
  readonly receiverOf: ReceiverOf;
  /** `proof.baseUri` of the operator. */
  readonly baseUri: string;
  readonly now: () => Date;
}

/**
 * Decides the verdict of the run, using the findings recorded when its work was completed. When it passes, stores the closed event log and prepares in one transaction everything that
 * COMPLETED needs: the unsigned statements by digest and the hand-off tries. When it fails, or a cancel came first, nothing is prepared. A repeated call gets the recorded answer.
 *
 * The log ends with the event that announces the end. Later events (the receivers' answers, the end itself) can't be in it, since receivers are given the digest of this proof.
 * @throws UnknownRunError, SupersededExecutionError, StreamMovedError, UnknownReceiverError, ReceiverMethodError, AlteredObjectError
 */
export function createPrepareSeal(deps: PrepareSealDeps) {
  return (scope: SealScope, signal: AbortSignal): Promise<Prepared> =>
    decideAgainWhenMoved(async () => {
      signal.throwIfAborted();
      const soFar = await readRunSoFar(deps.inRun, scope);
      const recorded = recordedAnswer(soFar);
      if (recorded !== undefined) return { answer: recorded, isCommitted: soFar.seal?.state === "COMMITTED" };
      const prepared = await prepare(deps, scope, soFar, signal);
      evidenceJudged(soFar.run.profileId, prepared.answer.verdict?.lines ?? []);
      return prepared;
    });
}

function recordedAnswer({ run, seal, verdict }: RunSoFar): PrepareSealResponseJson | undefined {
  const desiredState = desiredStateOf({ run });
  if (seal !== undefined) return { verdict: seal.verdict, desiredState };
  if (verdict !== undefined) return { verdict, desiredState };
  return run.desiredState === "CANCEL" ? { desiredState } : undefined;
}

async function prepare(
  deps: PrepareSealDeps,
  scope: SealScope,
  soFar: RunSoFar,
  signal: AbortSignal,
): Promise<Prepared> {
  const { run, head, events, work, profile, gate } = soFar;
  const at = deps.now();
  const { baseUri } = deps;
  const judged = decideVerdict({ gate, run, baseUri, findings: findingsOf(run, work), at });
  const draft = draftRun(run, head, at);
  draft.moveTo("EVALUATING", "seal/evaluating");
  draft.append([{ writerKey: "seal/verdict", verdict: { verdict: judged } }]);
  if (judged.passed !== true)
    return deps.inRun(scope, async (open) => {
      assertSpeaksFor(open.run, scope.execution);
      const desiredState = desiredStateOf(open);
      if (open.run.desiredState === "CANCEL") return { answer: { desiredState } };
      await Promise.all([
        open.write(draft),
        insertVerdict(open.transaction, run, { judgement: "COMPLETION", verdict: judged, at }),
      ]);
      return { answer: { verdict: judged, desiredState } };
    });

  draft.moveTo("SEALING", "seal/sealing", { outcome: "COMPLETED" });
  const log = await closeLog(deps, draft, events, signal);
  const end = { baseUri, run: draft.run, outcome: "COMPLETED", cause: "", reason: "", log, work, at } as const;
  const proof = statementsOfEnd(end, judged);
  const receiver = profile.handoff?.receiver;
  const calls = receiver === undefined ? [] : completionTries(deps, { run, receiver, proof, at });

  return deps.inRun(scope, async (open) => {
    assertSpeaksFor(open.run, scope.execution);
    const desiredState = desiredStateOf(open);
    if (open.run.desiredState === "CANCEL") return { answer: { desiredState } };
    const { transaction } = open;
    await Promise.all([
      open.write(draft),
      insertVerdict(transaction, run, { judgement: "COMPLETION", verdict: proof.verdict, at }),
      insertPreparedSeal(transaction, { ...scope, outcome: "COMPLETED", gate: gate.id, cause: "", log, at }),
      insertStatements(transaction, { ...run, outcome: "COMPLETED", at }, proof.statements),
      insertCalls(transaction, run, calls, at),
    ]);
    const { statements } = proof;
    return {
      answer: { verdict: proof.verdict, desiredState },
      fresh: {
        verdict: proof.verdict,
        logSha256: log.sha256,
        statements,
        tries: calls.map((call) => storedCall(run, call)),
        work,
      },
    };
  });
}

function completionTries(deps: PrepareSealDeps, scope: HandoffScope): NewCall[] {
  const { run, receiver } = scope;
  const { methodology } = findReceiver(deps.receiverOf, receiver, run);
  const { context } = readContext(run.requested.context ?? {});
  return methodology.completionCalls(context).map((draft) => tryCall(scope, draft, `${run.runId}/${draft.rpc}`, null));
}
