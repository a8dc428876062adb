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

/** The facts that all statements about the end of a run are made from. */
export interface RunEnd {
  /** `proof.baseUri` of the operator, without a trailing slash. */
  readonly baseUri: string;
  readonly run: RunRow;
  readonly outcome: RunOutcome;
  /** Stable code; empty for COMPLETED. */
  readonly cause: string;
  readonly reason: string;
  readonly log: EventLog;
  /** What was reported of each segment, in their order, and what was found about it; empty if nothing was reported. The last segment's tree is the run's. */
  readonly work: readonly ExaminedWork[];
  /** UTC. Decided once and stored, so that a retry states the same time. */
  readonly at: Date;
}

/** A stored object and its name among the objects of its run. */
export interface KeptBlob {
  readonly name: string;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** An in-toto statement before it is signed. */
export interface Statement {
  readonly attestationId: string;
  readonly kind: "agent-run" | "provenance" | "vsa" | "test-result" | "diff" | "document";
  /** The id of the evidence that it states, unique within its end: `test-result/unit`. */
  readonly name: string;
  readonly predicateType: string;
  /** What it states: the outcome of the run, PASSED | FAILED, CAPTURED | UNCHANGED | PARTIAL, KEPT. */
  readonly outcome: string;
  /** Who observed the facts. */
  readonly vantage: "worker-observed";
  /** Its subject. */
  readonly about: KeptBlob;
  readonly subjects: readonly SubjectDigestJson[];
  /** The bytes to sign. */
  readonly bytes: Uint8Array;
  /** sha256 of the bytes, lower-case hex. */
  readonly sha256: string;
}

/**
 * Writes an in-toto Statement v1 about an object of a run and, where the run captured a tree, about its commit and tree. It is RFC 8785 JSON: the same facts give the same bytes.
 * @param what.step - where a run may have several statements of the kind, one per step
 * @see https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
 */
export function writeStatement(
  { work }: Pick<RunEnd, "work">,
  about: KeptBlob,
  what: Pick<Statement, "kind" | "predicateType" | "outcome"> & { readonly step?: string; readonly predicate: object },
): Statement {
  const { predicate, step, ...facts } = what;
  const subjects = [
    { name: about.name, algorithm: "sha256", value: about.sha256 },
    ...treeOf(work.at(-1)?.report.capture),
  ];
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
