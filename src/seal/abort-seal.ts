import { randomUUID } from "node:crypto";
import { enumToJson } from "@bufbuild/protobuf";
import { insertArtifacts } from "../artifacts/artifact-store.ts";
import { keepBlob } from "../artifacts/blobs.ts";
import type { ObjectStore } from "../artifacts/object-store.ts";
import { RunStatus, RunStatusSchema } from "../gen/automation/v1/run_event_pb.ts";
import type { VerdictLineJson } from "../gen/automation/v1/verdict_pb.ts";
import type { AbortSealRequest, AbortSealResponseJson } from "../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import { discardProvisional, indexSubjects, insertStatements } from "../proof/attestation-store.ts";
import { writeEventLog } from "../proof/event-log.ts";
import { findingsOf } from "../proof/examine-work.ts";
import { signStatement } from "../proof/sign-statement.ts";
import type { Sign } from "../proof/signer.ts";
import type { EndProof } from "../proof/statements-of-end.ts";
import { statementsOfEnd } from "../proof/statements-of-end.ts";
import { verdictOfEnd } from "../proof/verdict.ts";
import type { InRun, OpenRun } from "../runs/in-run.ts";
import { assertSpeaksFor, StreamMovedError } from "../runs/in-run.ts";
import { draftRun } from "../runs/run-draft.ts";
import type { RunOutcome } from "../runs/run-status.ts";
import { statusToJson } from "../runs/run-status.ts";
import type { RunRow } from "../runs/run-store.ts";
import { storableJson } from "../text/strangers-text.ts";
import type { MethodologyOf } from "./handoff-request.ts";
import { followUp, tryCall } from "./handoff-request.ts";
import { insertCalls } from "./handoff-store.ts";
import { impedimentKeyOf } from "./impediment.ts";
import { countOccurrence } from "./impediment-store.ts";
import { runArtifacts } from "./run-artifacts.ts";
import type { EndScope, RunSoFar } from "./run-so-far.ts";
import { decideAgainWhenMoved, readRunSoFar } from "./run-so-far.ts";
import { abortUnlessCommitted } from "./seal-store.ts";

/** An end that is not COMPLETED, and why. */
export interface AbortedEnd {
  readonly outcome: Exclude<RunOutcome, "COMPLETED">;
  /**
   * Stable code: `verdict_failed`, `handoff_refused`, `cancelled`, `internal`, a cause of the work's or of a limit of time; of the reconciler `workflow_terminated`, `workflow_failed`,
   * `workflow_lost`, `start_refused`.
   */
  readonly cause: string;
  readonly reason: string;
}

/** A request to seal an end that AbortSeal does not make. */
export class UnsealableOutcomeError extends Error {
  override readonly name = "UnsealableOutcomeError";
  readonly code = "invalid_request";
  constructor(outcome: string) {
    super(`outcome is ${outcome}; it must be RUN_STATUS_FAILED, RUN_STATUS_CANCELLED or RUN_STATUS_TIMED_OUT`);
  }
}

const ends = new Map<RunStatus, AbortedEnd["outcome"]>([
  [RunStatus.FAILED, "FAILED"],
  [RunStatus.CANCELLED, "CANCELLED"],
  [RunStatus.TIMED_OUT, "TIMED_OUT"],
]);

/** @throws UnsealableOutcomeError when the request names no end, or COMPLETED */
export function abortedEndOf({ outcome, cause, reason }: AbortSealRequest): AbortedEnd {
  const end = ends.get(outcome);
  if (end === undefined) throw new UnsealableOutcomeError(enumToJson(RunStatusSchema, outcome) ?? String(outcome));
  return { outcome: end, cause, reason };
}

export interface AbortSealDeps {
  readonly inRun: InRun;
  readonly objects: Pick<ObjectStore, "putOnce" | "digestOf">;
  readonly methodologyOf: MethodologyOf;
  readonly sign: Sign;
  /** `proof.baseUri` of the operator. */
  readonly baseUri: string;
  readonly now: () => Date;
  /** Called after an abort: cancels and an impediment may be due. */
  readonly onDue: () => void;
}

/**
 * Ends a run FAILED, CANCELLED or TIMED_OUT from any state, prepared or not. What was prepared for COMPLETED is discarded and its tries are cancelled; the evidence of
 * this end (the closed event log, what its work left, agent-run, a FAILED verification summary) is stored, signed and registered with it in one transaction. CANCELLED raises no impediment, nor does a limit of time that passed before the work began; all else does.
 * A repeated call gets the recorded end; after a commit that is COMPLETED.
 * @throws UnknownRunError, SupersededExecutionError, StreamMovedError, AlteredObjectError
 */
export function createAbortSeal(deps: AbortSealDeps) {
  return (scope: EndScope, told: AbortedEnd): Promise<AbortSealResponseJson> =>
    decideAgainWhenMoved(async () => {
      const end = storableJson(told);
      const soFar = await readRunSoFar(deps.inRun, scope);
      const { seal } = soFar;
      if (seal !== undefined && seal.state !== "PREPARED") return { outcome: statusToJson(seal.outcome) };
      await abort(deps, scope, end, soFar);
      deps.onDue();
      return { outcome: statusToJson(end.outcome) };
    });
}

async function abort(deps: AbortSealDeps, scope: EndScope, end: AbortedEnd, soFar: RunSoFar): Promise<void> {
  const { run, head, events, calls, work, profile } = soFar;
  const { outcome, cause, reason } = end;
  const at = deps.now();
  const draft = draftRun(run, head, at);
  if (run.status !== "SEALING") draft.moveTo("SEALING", "seal/sealing", { outcome, reason });
  const log = writeEventLog([...events, ...draft.events.map((each) => each.event)], draft.head.lastHash);
  draft.moveTo(outcome, "seal/end", { reason });

  const verdict = verdictOfEnd(profile, end, await findingsOf(run, work));
  const proof = statementsOfEnd({ ...end, baseUri: deps.baseUri, run, log, work, at }, profile, verdict);
  const signed = await Promise.all(proof.statements.map((statement) => signStatement(deps.sign, statement)));
  const object = await keepBlob(deps.objects, run, log.bytes, log.mediaType);
  const cancels = calls.filter((call) => call.phase === "TRY").map((tried) => followUp(tried, "CANCEL", at));

  await deps.inRun(scope, async (open) => {
    assertSpeaksFor(open.run, scope.execution);
    const { transaction } = open;
    const { tenant, runId } = run;
    const [isMine] = await Promise.all([
      abortUnlessCommitted(transaction, { tenant, runId, outcome, cause, verdict: proof.verdict, log, at }),
      discardProvisional(transaction, tenant, runId),
      insertStatements(transaction, { ...run, outcome, at }, proof.statements, signed),
      indexSubjects(transaction, tenant, runId),
      insertArtifacts(transaction, tenant, runArtifacts(run, object, work?.uploads ?? [], at)),
      insertCalls(transaction, run, cancels, at),
      open.write(draft),
    ]);
    if (!isMine) throw new StreamMovedError(runId);
    if (isImpediment(run, outcome)) await raiseImpediment(deps, open, soFar, { end, proof, at });
  });
}

/** A person's cancel stands in nobody's way, and neither does a run whose time went by before its work began: nothing is broken that its item's people could mend. */
const isImpediment = ({ workBegunAt }: RunRow, outcome: AbortedEnd["outcome"]): boolean =>
  outcome === "FAILED" || (outcome === "TIMED_OUT" && workBegunAt !== null);

/** Keeps the record and, where the profile hands over to somebody, has them told. */
async function raiseImpediment(
  deps: AbortSealDeps,
  { transaction }: OpenRun,
  { run, profile }: RunSoFar,
  { end, proof, at }: { end: AbortedEnd; proof: EndProof; at: Date },
): Promise<void> {
  const { tenant, org, runId } = run;
  const lines = proof.verdict.lines ?? [];
  const key = impedimentKeyOf(run, end.cause);
  const summary = `Automation run ${runId} on ${key.workItem} ended ${end.outcome}: ${whyInShort(end, lines)}`;
  const occurrence = { ...key, summary, lines, runId, at };
  const { impedimentId, occurrences } = await countOccurrence(transaction, randomUUID(), occurrence);
  const receiver = profile.handoff?.receiver ?? "";
  const methodology = deps.methodologyOf(receiver);
  if (methodology === undefined) return;
  const draft = methodology.impedimentCall(run.requested.context ?? {}, {
    impedimentId,
    cause: end.cause,
    summary,
    lines,
    occurrences,
  });
  const call = tryCall({ run, receiver, proof, at }, draft, `${impedimentId}/${occurrences}`, at);
  await insertCalls(transaction, { tenant, org, runId }, [call], at);
}

/** A verdict that did not pass is told by the first requirement that it failed on and what to do; the others are in the lines. */
function whyInShort({ cause, reason }: AbortedEnd, lines: readonly VerdictLineJson[]): string {
  const [first, ...more] = lines.filter(({ state }) => state !== "LINE_STATE_MET");
  if (cause !== "verdict_failed" || first === undefined) return reason || cause;
  const { requirementId, state, detail = "", remedy = "" } = first;
  const told = `${requirementId} ${state === "LINE_STATE_MISSING" ? "missing" : "failed"}: ${detail}`;
  const others = more.length === 0 ? "" : ` (and ${more.length} more)`;
  return `${told}${others}${remedy === "" ? "" : ` | remedy: ${remedy}`}`;
}
