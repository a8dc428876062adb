import { insertArtifacts } from "../artifacts/artifact-store.ts";
import { AlteredObjectError, assertBlob } from "../artifacts/blobs.ts";
import { mapAtMost } from "../artifacts/map-at-most.ts";
import type { ObjectStore } from "../artifacts/object-store.ts";
import type { UploadJson } from "../gen/automation/v1/run_work_pb.ts";
import type { VerdictJson } from "../gen/automation/v1/verdict_pb.ts";
import type { AttachmentJson } from "../gen/graph/v1/graph_service_pb.ts";
import type { CommitSealResponseJson } from "../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import type { MadeByRun } from "../graph/embedded.ts";
import { writeEvidence } from "../graph/embedded.ts";
import { inTotoPayloadType } from "../proof/attestations/dsse.ts";
import type { ProvisionalStatement } from "../proof/attestations/run-statement-store.ts";
import { findProvisional, registerStatements } from "../proof/attestations/run-statement-store.ts";
import { signStatement } from "../proof/attestations/sign-statement.ts";
import type { UseKeys } from "../proof/attestations/signer.ts";
import { eventLogMediaType, eventLogName } from "../proof/statements/event-log.ts";
import { leafWorkItems, subjectOf } from "../proof/statements/run-subject.ts";
import type { InRun, OpenRun } from "../runs/in-run.ts";
import { draftRun } from "../runs/run-draft.ts";
import { assertSpeaksFor } from "../runs/speaker.ts";
import type { ReportedWork } from "../work/work-report-store.ts";
import { listWork } from "../work/work-report-store.ts";
import type { DeliverLoop } from "./handoff/deliver-loop.ts";
import { followUp } from "./handoff/handoff-call.ts";
import type { CallRow, TracedCall } from "./handoff/handoff-store.ts";
import { insertCalls, listCalls, storedCall } from "./handoff/handoff-store.ts";
import type { Answered } from "./handoff/record-answers.ts";
import { recordAnswers } from "./handoff/record-answers.ts";
import { runArtifacts } from "./run-artifacts.ts";
import { readRunResult, tellRunResult } from "./run-result.ts";
import type { SealScope } from "./run-so-far.ts";
import type { SealRow } from "./seal-store.ts";
import { commitPreparedSeal, findSeal } from "./seal-store.ts";

/** The seal can't be committed: nothing is prepared, a try is not acknowledged, or a statement differs from the prepared one. */
export class SealNotReadyError extends Error {
  override readonly name = "SealNotReadyError";
  readonly code = "seal_not_ready";
  constructor(runId: string, why: string) {
    super(`the seal of run ${runId} can't be committed: ${why}`);
  }
}

const readAtOnce = 4;

/** What a commit needs of what was prepared. */
export interface PreparedSeal {
  readonly verdict: VerdictJson;
  readonly logSha256: string;
  readonly statements: readonly ProvisionalStatement[];
  readonly tries: readonly CallRow[];
  readonly work: readonly ReportedWork[];
}

export interface CommitSealDeps {
  readonly inRun: InRun;
  readonly objects: Pick<ObjectStore, "digestOf">;
  readonly useKeys: UseKeys;
  readonly now: () => Date;
  /** Sends the confirms. */
  readonly deliverLoop: Pick<DeliverLoop, "dueAt" | "send">;
}

/**
 * Ends a run COMPLETED. First it checks the digests of the statements and of all objects that they name. Then one transaction registers attestations and artifacts, writes the graph,
 * makes the confirms due, sets the seal COMMITTED and the run COMPLETED, and closes the stream. A repeated call gets the same answer.
 * The answer is `committed: false` when a cancel came first, or, with the fault, when an object is missing or altered: the run has to end otherwise.
 * @param fresh - what is prepared, when the caller has just done so, with the answers to its tries, which are recorded with the commit; else it is read
 * @throws UnknownRunError, SupersededExecutionError, SealNotReadyError, UnsignableStatementError
 */
export function createCommitSeal(deps: CommitSealDeps) {
  return async (
    scope: SealScope,
    signal: AbortSignal,
    fresh?: PreparedSeal & { readonly answered: readonly Answered[] },
  ): Promise<CommitSealResponseJson> => {
    const { tenant, org, runId } = scope;
    const prepared = fresh ?? (await deps.inRun(scope, (open) => readPrepared(open, scope)));
    if ("answer" in prepared) return prepared.answer;
    const { verdict, logSha256, statements, tries, work } = prepared;
    const named = objectsNamed(statements).filter((sha256) => sha256 !== logSha256);
    const kept = await mapAtMost(readAtOnce, [logSha256, ...named], (sha256) =>
      assertBlob(deps.objects, scope, sha256, signal),
    ).catch((error: unknown) => {
      if (error instanceof AlteredObjectError) return error;
      throw error;
    });
    if (kept instanceof AlteredObjectError) return { committed: false, fault: kept.message };
    const log = kept[0] ?? { sha256: logSha256, sizeBytes: 0 };
    const { sign } = await deps.useKeys();
    const signed = await Promise.all(statements.map((statement) => signStatement(sign, statement)));

    let confirms: readonly TracedCall[] = [];
    const answer = await deps.inRun(scope, async (open) => {
      assertSpeaksFor(open.run, scope.execution);
      const { transaction, run } = open;
      const at = deps.now();
      const draft = draftRun(run, open.head, at);
      if (fresh !== undefined) await recordAnswers(open, draft, fresh.answered, at);
      if (run.desiredState === "CANCEL" || run.status !== "SEALING") {
        await open.write(draft);
        return settled(open, await findSeal(transaction, tenant, runId));
      }
      draft.moveTo("COMPLETED", "seal/end");
      const { references } = draft.run;
      const artifacts = runArtifacts(
        run,
        log,
        work.flatMap(({ uploads }) => uploads),
        at,
      );
      const calls = tries.map((tried) => followUp(tried, "CONFIRM", deps.deliverLoop.dueAt(tried.receiver, at)));
      const [isMine, registered] = await Promise.all([
        commitPreparedSeal(transaction, scope, at),
        registerStatements(transaction, scope, signed, at),
        insertArtifacts(transaction, tenant, artifacts),
        writeEvidence(transaction, {
          tenant,
          org,
          runId,
          method: run.method,
          subject: subjectOf(draft.run),
          workItems: leafWorkItems(references),
          attachments: attachmentsOf(log.sha256, statements),
          made: madeBy(work),
          at,
        }),
        insertCalls(transaction, run, calls, at),
        open.write(draft),
      ]);
      if (!isMine) throw new SealNotReadyError(runId, "it is not prepared, or a hand-off try is not acknowledged");
      if (registered !== statements.length)
        throw new SealNotReadyError(runId, `${registered} of ${statements.length} statements are what was signed`);
      const { traceparent, tracestate } = run;
      confirms = calls.map((call) => ({ ...storedCall(run, call), traceparent, tracestate }));
      const seal = { outcome: "COMPLETED", cause: "", verdict } as const;
      return { committed: true, result: tellRunResult(open, { seal, artifacts, attestations: statements }) };
    });
    deps.deliverLoop.send(confirms);
    return answer;
  };
}

async function settled(open: OpenRun, seal: SealRow | undefined): Promise<CommitSealResponseJson> {
  if (seal?.state !== "COMMITTED") return { committed: false };
  return { committed: true, result: await readRunResult(open) };
}

/** @returns what to commit, or the answer when nothing is left to commit */
async function readPrepared(
  open: OpenRun,
  { tenant, runId, execution }: SealScope,
): Promise<{ readonly answer: CommitSealResponseJson } | PreparedSeal> {
  assertSpeaksFor(open.run, execution);
  const [seal, statements, calls, work] = await Promise.all([
    findSeal(open.transaction, tenant, runId),
    findProvisional(open.transaction, tenant, runId),
    listCalls(open.transaction, tenant, runId),
    listWork(open.transaction, tenant, runId),
  ]);
  if (seal?.state === "COMMITTED" || seal?.state === "ABORTED" || open.run.desiredState === "CANCEL")
    return { answer: await settled(open, seal) };
  if (seal === undefined) throw new SealNotReadyError(runId, "it is not prepared; call PrepareSeal first");
  const tries = calls.filter((call) => call.phase === "TRY");
  const missing = tries.find((call) => call.state !== "ACKNOWLEDGED");
  if (missing !== undefined) throw new SealNotReadyError(runId, `${missing.rpc} is ${missing.state}, not ACKNOWLEDGED`);
  return { verdict: seal.verdict, logSha256: seal.logSha256, statements, tries, work };
}

/** sha256 of all objects that are subjects of the statements. */
function objectsNamed(statements: readonly ProvisionalStatement[]): string[] {
  const digests = statements.flatMap(({ subjects }) => subjects).filter(({ algorithm }) => algorithm === "sha256");
  return [...new Set(digests.map(({ value = "" }) => value))];
}

function attachmentsOf(logSha256: string, statements: readonly ProvisionalStatement[]): AttachmentJson[] {
  return [
    { name: eventLogName, mediaType: eventLogMediaType, sha256: logSha256 },
    ...statements.map(({ name, sha256 }) => ({ name, mediaType: inTotoPayloadType, sha256 })),
  ];
}

/** What the work changed and stored, for the graph; the last segment's tree is the run's. */
function madeBy(work: readonly ReportedWork[]): MadeByRun | undefined {
  const last = work.at(-1);
  const capture = last?.report.capture;
  if (last === undefined || capture === undefined) return undefined;
  const { repositoryId = "" } = capture;
  const changes = last.uploads.filter(({ kind }) => kind === "patch" || kind === "change_list");
  const documents = work.flatMap(({ report }) => report.documents ?? []);
  return { repositoryId, changes: changes.map(attachmentOf), documents };
}

function attachmentOf({ name = "", mediaType = "", sha256 = "" }: UploadJson): AttachmentJson {
  return { name, mediaType, sha256 };
}
