import { AlteredObjectError } from "../../artifacts/blobs.ts";
import type { ObjectStore } from "../../artifacts/object-store.ts";
import type { WorkFindingsJson } from "../../gen/automation/v1/work_findings_pb.ts";
import { verdictOfEnd } from "../../proof/gates/decide-verdict.ts";
import { statementsOfEnd } from "../../proof/statements/statements-of-end.ts";
import { draftRun } from "../../runs/run-draft.ts";
import type { EventDraft } from "../../runs/stream/chain-events.ts";
import type { InScope } from "../../tenancy/transaction.ts";
import { findingsOf } from "../../work/findings.ts";
import { failedLine } from "../../work/verdict-line.ts";
import { closeLog } from "../close-log.ts";
import { ImpedimentCallError } from "../impediments/raise-impediment.ts";
import type { RunSoFar } from "../run-so-far.ts";
import type { AbortedEnd, DraftedEnd } from "./aborted-end.ts";

export interface DraftEndDeps {
  readonly inScope: InScope;
  readonly objects: Pick<ObjectStore, "putOnce" | "digestOf" | "refresh">;
  /** `proof.baseUri` of the operator. */
  readonly baseUri: string;
  readonly now: () => Date;
}

/** Drafts an end with everything that the run left. @throws DraftEndError, AlteredObjectError, the signal's reason */
export function draftFullEnd(
  deps: DraftEndDeps,
  soFar: RunSoFar,
  end: AbortedEnd,
  signal: AbortSignal,
): Promise<DraftedEnd> {
  return draftEnd(deps, soFar, { end, findings: findingsOf(soFar.run, soFar.work) }, signal);
}

/**
 * Drafts an end without strangers' text and without the worker's objects; log and verdict say so. The additional event gives the log another digest than that of the full end, whose object may be the one that is altered.
 * @param failed.error - why the full end can't be written
 */
export function draftFallbackEnd(
  deps: DraftEndDeps,
  soFar: RunSoFar,
  failed: { readonly end: AbortedEnd; readonly error: unknown },
  signal: AbortSignal,
): Promise<DraftedEnd> {
  const cause = failed.error instanceof DraftEndError ? failed.error.cause : failed.error;
  const name = cause instanceof Error ? cause.name : "Error";
  const reason = `the end is sealed without what the run left: writing it failed (${name}), see the log of the api`;
  const end = { ...failed.end, reason };
  const note = { writerKey: "seal/fallback", message: { text: reason } };
  const remedy = "Have the operator look for the error in the log of the api, and ask for a new run.";
  const line = failedLine("evidence-kept", [reason], remedy);
  const { method, id } = soFar.gate;
  const bare = { ...soFar, work: [], gate: { method, id } };
  return draftEnd(deps, bare, { end, findings: { lines: [line] }, note }, signal);
}

/** @throws DraftEndError, and errors of storing the log */
async function draftEnd(
  deps: DraftEndDeps,
  soFar: RunSoFar,
  as: {
    readonly end: AbortedEnd;
    readonly findings: WorkFindingsJson;
    /** Makes it the fallback. */
    readonly note?: EventDraft;
  },
  signal: AbortSignal,
): Promise<DraftedEnd> {
  const { run, head, events, work, gate } = soFar;
  const { end, findings, note } = as;
  const { outcome, reason } = end;
  const at = deps.now();
  const draft = await drafting(() => {
    const begun = draftRun(run, head, at);
    if (note !== undefined) begun.append([note]);
    if (run.status !== "SEALING") begun.moveTo("SEALING", "seal/sealing", { outcome, reason });
    return begun;
  });
  const log = await closeLog(deps, draft, events, signal);
  return drafting(() => {
    draft.moveTo(outcome, "seal/end", { reason });
    const { baseUri } = deps;
    const verdict = verdictOfEnd({ gate, run, baseUri, findings, at }, end);
    const proof = statementsOfEnd({ ...end, baseUri, run, log, work, at }, verdict);
    return {
      soFar,
      end,
      draft,
      log,
      proof,
      uploads: work.flatMap(({ uploads }) => uploads),
      at,
      isFallback: note !== undefined,
    };
  });
}

/** @throws DraftEndError for any error: `work` does no I/O */
async function drafting<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new DraftEndError(cause);
  }
}

/** The statements of an end could not be worked out. */
class DraftEndError extends Error {
  override readonly name = "DraftEndError";
  constructor(cause: unknown) {
    super("the end could not be worked out in full", { cause });
  }
}

/**
 * Whether the fallback can be written where the full end could not: the error comes from what the run left.
 * No when Postgres, the signing key or the store can't be reached, or another execution speaks for the run. SQLSTATE classes 22 and 23 are errors of the rows themselves.
 */
export function isFaultOfContent(error: unknown): boolean {
  if (error instanceof DraftEndError || error instanceof ImpedimentCallError || error instanceof AlteredObjectError)
    return true;
  return error instanceof Error && "code" in error && typeof error.code === "string" && /^2[23]...$/.test(error.code);
}
