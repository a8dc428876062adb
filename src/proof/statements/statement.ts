import { randomUUID } from "node:crypto";
import { sha256Hex } from "../../artifacts/blobs.ts";
import type { CaptureJson } from "../../gen/automation/v1/run_work_pb.ts";
import type { SubjectDigestJson } from "../../gen/governance/v1/governance_service_pb.ts";
import type { RunOutcome } from "../../runs/run-status.ts";
import type { RunRow } from "../../runs/run-store.ts";
import { canonicalJson } from "../../text/canonical-json.ts";
import { storableJson } from "../../text/strangers-text.ts";
import { evidenceIdOf } from "../../work/run-evidence.ts";
import type { ExaminedWork } from "../../work/work-report-store.ts";
import type { EventLog } from "./event-log.ts";

/** What every statement about the end of a run is made from. */
export interface RunEnd {
  /** `proof.baseUri` of the operator, without a trailing slash. */
  readonly baseUri: string;
  readonly run: RunRow;
  readonly outcome: RunOutcome;
  /** Stable code, for an end that is not COMPLETED. */
  readonly cause: string;
  readonly reason: string;
  readonly log: EventLog;
  /** The work and what was found about it; absent when none was reported. */
  readonly work: ExaminedWork | undefined;
  /** The decided time, UTC: stored with the statement, so that a retry states the same one. */
  readonly at: Date;
}

/** An object that is kept, and what it is called among those of its run. */
export interface KeptBlob {
  readonly name: string;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** An in-toto statement that is written and not signed yet. */
export interface Statement {
  readonly attestationId: string;
  readonly kind: "agent-run" | "provenance" | "vsa" | "test-result" | "diff" | "document";
  /** Unique among those of its end: the kind, and the step where there may be several: `test-result/unit`. */
  readonly name: string;
  readonly predicateType: string;
  /** What it states: the run's outcome, PASSED | FAILED, CAPTURED | PARTIAL, KEPT. */
  readonly outcome: string;
  /** Who saw it. */
  readonly vantage: "worker-observed";
  /** The object that it is about. */
  readonly about: KeptBlob;
  readonly subjects: readonly SubjectDigestJson[];
  /** The bytes that are signed. */
  readonly bytes: Uint8Array;
  /** sha256 of the bytes, lower-case hex. */
  readonly sha256: string;
}

/**
 * Writes an in-toto Statement v1 about an object of a run and, where the run captured a tree, about its commit and tree, as RFC 8785 JSON: the same facts are the same bytes.
 * @param what.step - the step that it is about, when there may be several of its kind
 * @see https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
 */
export function writeStatement(
  { work }: Pick<RunEnd, "work">,
  about: KeptBlob,
  what: Pick<Statement, "kind" | "predicateType" | "outcome"> & { readonly step?: string; readonly predicate: object },
): Statement {
  const { predicate, step, ...facts } = what;
  const subjects = [{ name: about.name, algorithm: "sha256", value: about.sha256 }, ...treeOf(work?.report.capture)];
  const bytes = Buffer.from(
    canonicalJson({
      _type: "https://in-toto.io/Statement/v1",
      subject: subjects.map(({ name, algorithm, value }) => ({ name, digest: { [algorithm]: value } })),
      predicateType: what.predicateType,
      predicate: storableJson(predicate),
    }),
  );
  return {
    ...facts,
    name: evidenceIdOf(what.kind, step),
    vantage: "worker-observed",
    attestationId: randomUUID(),
    about,
    subjects,
    bytes,
    sha256: sha256Hex(bytes),
  };
}

function treeOf(capture: CaptureJson | undefined) {
  if (capture === undefined) return [];
  return [
    { name: "commit", algorithm: "gitCommit", value: capture.gitCommit ?? "" },
    { name: "tree", algorithm: "gitTree", value: capture.gitTree ?? "" },
  ];
}
