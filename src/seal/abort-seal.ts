import { randomUUID } from "node:crypto";
import { enumToJson } from "@bufbuild/protobuf";
import { insertArtifacts } from "../artifacts/artifact-store.ts";
import { AlteredObjectError } from "../artifacts/blobs.ts";
import type { ObjectStore } from "../artifacts/object-store.ts";
import { RunStatus, RunStatusSchema } from "../gen/automation/v1/run_event_pb.ts";
import type { RunResultJson } from "../gen/automation/v1/run_result_pb.ts";
import type { UploadJson } from "../gen/automation/v1/run_work_pb.ts";
import type { VerdictLineJson } from "../gen/automation/v1/verdict_pb.ts";
import type { WorkFindingsJson } from "../gen/automation/v1/work_findings_pb.ts";
import type { CancelRequestedJson } from "../gen/workflows_runtime/v1/run_pb.ts";
import type { AbortSealRequest, AbortSealResponseJson } from "../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import { readContext } from "../methodology/context-references.ts";
import type { ReceiverOf } from "../methodology/methodology.ts";
import { discardProvisional, indexSubjects, insertStatements } from "../proof/attestations/attestation-store.ts";
import { signStatement } from "../proof/attestations/sign-statement.ts";
import type { Sign } from "../proof/attestations/signer.ts";
import { verdictOfEnd } from "../proof/gates/decide-verdict.ts";
import { insertVerdict } from "../proof/gates/verdict-store.ts";
import type { EventLog } from "../proof/statements/event-log.ts";
import type { EndProof } from "../proof/statements/statements-of-end.ts";
import { statementsOfEnd } from "../proof/statements/statements-of-end.ts";
import type { InRun, OpenRun } from "../runs/in-run.ts";
import { assertSpeaksFor, StreamMovedError } from "../runs/in-run.ts";
import type { RunDraft } from "../runs/run-draft.ts";
import { draftRun } from "../runs/run-draft.ts";
import type { RunOutcome } from "../runs/run-status.ts";
import type { RunRow } from "../runs/run-store.ts";
import type { EventDraft } from "../runs/stream/chain-events.ts";
import type { InScope } from "../tenancy/transaction.ts";
import { storableJson } from "../text/strangers-text.ts";
import { unmetLines, unmetText } from "../text/unmet-lines.ts";
import { findingsOf } from "../work/findings.ts";
import { failedLine } from "../work/verdict-line.ts";
import { closeLog } from "./close-log.ts";
import { followUp, tryCall } from "./handoff-request.ts";
import type { NewCall } from "./handoff-store.ts";
import { insertCalls } from "./handoff-store.ts";
import { impedimentKeyOf } from "./impediment.ts";
import { countOccurrence } from "./impediment-store.ts";
import { runArtifacts } from "./run-artifacts.ts";
import { readRunResult } from "./run-result.ts";
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
  readonly inScope: InScope;
  readonly objects: Pick<ObjectStore, "putOnce" | "digestOf">;
  readonly receiverOf: ReceiverOf;
  readonly sign: Sign;
  /** `proof.baseUri` of the operator. */
  readonly baseUri: string;
  readonly now: () => Date;
  /** The end can't be written with what the run left, and is written without. */
  readonly onLastForm: (error: unknown, run: { readonly tenant: string; readonly runId: string }) => void;
  /** Called after an abort: cancels and an impediment may be due. */
  readonly onDue: () => void;
}

/**
 * Ends a run FAILED, CANCELLED or TIMED_OUT from any state, prepared or not. What was prepared for COMPLETED is discarded and its tries are cancelled; the evidence of
 * this end (the closed event log, what its work left, agent-run, a FAILED verification summary) is stored, signed and registered with it in one transaction. CANCELLED raises no impediment, nor does a limit of time that passed before the work began; all else does.
 * When that can't be written, whatever it is that fails, the end is written without strangers' text and worker's objects and says so: it waits for Postgres, the key and the store, and for nothing else.
 * A repeated call gets the recorded end; after a commit that is COMPLETED.
 * @throws UnknownRunError, SupersededExecutionError, StreamMovedError, the signal's reason
 */
export function createAbortSeal(deps: AbortSealDeps) {
  return (scope: EndScope, told: AbortedEnd, signal: AbortSignal): Promise<AbortSealResponseJson> =>
    decideAgainWhenMoved(async () => {
      signal.throwIfAborted();
      const soFar = await readRunSoFar(deps.inRun, scope);
      const { seal, run } = soFar;
      const end = storableJson(isCancel(told, run) ? { ...told, reason: reasonOfCancel(run.cancel) } : told);
      if (seal !== undefined && seal.state !== "PREPARED")
        return answerOf(await deps.inRun(scope, ({ transaction, run }) => readRunResult(transaction, run)));
      let result: RunResultJson;
      try {
        result = await abort(deps, scope, await fullForm(deps, soFar, end, signal));
      } catch (error) {
        if (!isOfTheForm(error)) throw error;
        deps.onLastForm(error, scope);
        result = await abort(deps, scope, await lastForm(deps, soFar, { end, error }, signal));
      }
      deps.onDue();
      return answerOf(result);
    });
}

/** Whoever ends a run for a person's wish is not told whose it was: the run knows. */
const isCancel = ({ cause }: AbortedEnd, run: RunRow): run is RunRow & { readonly cancel: CancelRequestedJson } =>
  cause === "cancelled" && run.cancel !== null;

const reasonOfCancel = ({ principal = "", reason = "" }: CancelRequestedJson): string =>
  `cancelled by ${principal}${reason === "" ? "" : `: ${reason}`}`;

const answerOf = (result: RunResultJson): AbortSealResponseJson => ({ outcome: result.outcome, result });

/** An end as it is going to be written. */
interface Form {
  readonly soFar: RunSoFar;
  readonly end: AbortedEnd;
  readonly draft: RunDraft;
  readonly log: EventLog;
  readonly proof: EndProof;
  readonly uploads: readonly UploadJson[];
  readonly at: Date;
  readonly isLast: boolean;
}

/** An end with all that the run left. */
function fullForm(deps: AbortSealDeps, soFar: RunSoFar, end: AbortedEnd, signal: AbortSignal): Promise<Form> {
  return formOf(deps, soFar, { end, findings: findingsOf(soFar.run, soFar.work) }, signal);
}

/** Leaves out whatever strangers wrote and a worker left, and says so in the log and in a line: so its log is another object, and nothing that failed in the full form is in it. */
function lastForm(
  deps: AbortSealDeps,
  soFar: RunSoFar,
  failed: { readonly end: AbortedEnd; readonly error: unknown },
  signal: AbortSignal,
): Promise<Form> {
  const cause = failed.error instanceof FormError ? failed.error.cause : failed.error;
  const name = cause instanceof Error ? cause.name : "Error";
  const reason = `the end is sealed without what the run left: writing it failed (${name}), see the log of the api`;
  const end = { ...failed.end, reason };
  const note = { writerKey: "seal/last-form", message: { text: reason } };
  const remedy = "Have the operator look for the error in the log of the api, and ask for a new run.";
  const line = failedLine("evidence-kept", [reason], remedy);
  const { method, id } = soFar.gate;
  const bare = { ...soFar, work: undefined, gate: { method, id } };
  return formOf(deps, bare, { end, findings: { lines: [line] }, note }, signal);
}

/** @throws FormError, and whatever keeps the log from being stored */
async function formOf(
  deps: AbortSealDeps,
  soFar: RunSoFar,
  {
    end,
    findings,
    note,
  }: {
    readonly end: AbortedEnd;
    readonly findings: WorkFindingsJson;
    /** Makes it the last form. */
    readonly note?: EventDraft;
  },
  signal: AbortSignal,
): Promise<Form> {
  const { run, head, work, gate } = soFar;
  const { outcome, reason } = end;
  const at = deps.now();
  const draft = await inForm(() => {
    const begun = draftRun(run, head, at);
    if (note !== undefined) begun.append([note]);
    if (run.status !== "SEALING") begun.moveTo("SEALING", "seal/sealing", { outcome, reason });
    return begun;
  });
  const log = await closeLog(deps, draft, signal);
  return inForm(() => {
    draft.moveTo(outcome, "seal/end", { reason });
    const { baseUri } = deps;
    const verdict = verdictOfEnd({ gate, run, baseUri, findings, at }, end);
    const proof = statementsOfEnd({ ...end, baseUri, run, log, work, at }, verdict);
    return { soFar, end, draft, log, proof, uploads: work?.uploads ?? [], at, isLast: note !== undefined };
  });
}

/** @throws FormError whatever fails: it touches neither Postgres nor the store */
async function inForm<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new FormError(cause);
  }
}

async function abort(deps: AbortSealDeps, scope: EndScope, form: Form): Promise<RunResultJson> {
  const { soFar, end, draft, log, proof, uploads, at } = form;
  const { run, gate, calls } = soFar;
  const { outcome, cause } = end;
  const signed = await Promise.all(proof.statements.map((statement) => signStatement(deps.sign, statement)));
  const cancels = calls.filter((call) => call.phase === "TRY").map((tried) => followUp(tried, "CANCEL", at));

  return deps.inRun(scope, async (open) => {
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
    if (isImpediment(run, outcome)) await raiseImpediment(deps, open, form);
    return readRunResult(transaction, open.run);
  });
}

/** What the end consists of could not be worked out. */
class FormError extends Error {
  override readonly name = "FormError";
  constructor(cause: unknown) {
    super("the end could not be worked out in full", { cause });
  }
}

/** Whether another form can help: not when Postgres, the key or the store is away, nor when another speaks. SQLSTATE 22 and 23 are of the rows themselves. */
function isOfTheForm(error: unknown): boolean {
  if (error instanceof FormError || error instanceof AlteredObjectError) return true;
  return error instanceof Error && "code" in error && typeof error.code === "string" && /^2[23]...$/.test(error.code);
}

/** A person's cancel stands in nobody's way, and neither does a run whose time went by before its work began: nothing is broken that its item's people could mend. */
const isImpediment = ({ workBegunAt }: RunRow, outcome: AbortedEnd["outcome"]): boolean =>
  outcome === "FAILED" || (outcome === "TIMED_OUT" && workBegunAt !== null);

/** Keeps the record and, where the profile hands over to somebody, has them told. */
async function raiseImpediment(
  deps: AbortSealDeps,
  { transaction }: OpenRun,
  { soFar: { run, profile }, end, proof, at, isLast }: Form,
): Promise<void> {
  const { tenant, org, runId } = run;
  const lines = proof.verdict.lines ?? [];
  const key = impedimentKeyOf(run, end.cause);
  const why = `${whyInShort(end, lines)}${triesInShort(run)}`;
  const summary = `Automation run ${runId} on ${key.workItem} ended ${end.outcome}: ${why}`;
  const occurrence = { ...key, summary, lines, runId, at };
  const { impedimentId, occurrences } = await countOccurrence(transaction, randomUUID(), occurrence);
  const receiver = profile.handoff?.receiver ?? "";
  const methodology = deps.receiverOf(receiver)?.methodology;
  if (methodology?.method !== run.method) return;
  const report = { impedimentId, cause: end.cause, summary, lines, occurrences };
  let call: NewCall;
  try {
    const draft = methodology.impedimentCall(readContext(run.requested.context ?? {}).context, report);
    call = tryCall({ run, receiver, proof, at }, draft, `${impedimentId}/${occurrences}`, at);
  } catch (error) {
    if (isLast) return; // our own record stands
    throw new FormError(error);
  }
  await insertCalls(transaction, { tenant, org, runId }, [call], at);
}

/** How often its work was begun anew, and why the last time. */
function triesInShort({ attempt }: RunRow): string {
  const { attempt: number = 0, previousEnd = "" } = attempt ?? {};
  return number <= 1 ? "" : ` (attempt ${number} of its work; how the one before ended: ${previousEnd})`;
}

/** A verdict that did not pass is told by the first requirement that it failed on and what to do; the others are in the lines. */
function whyInShort({ cause, reason }: AbortedEnd, lines: readonly VerdictLineJson[]): string {
  const [first, ...more] = unmetLines(lines);
  if (cause !== "verdict_failed" || first === undefined) return reason || cause;
  const { remedy = "" } = first;
  const others = more.length === 0 ? "" : ` (and ${more.length} more)`;
  return `${unmetText(first)}${others}${remedy === "" ? "" : ` | remedy: ${remedy}`}`;
}
