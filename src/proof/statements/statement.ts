import { randomUUID } from "node:crypto";
import { sha256Hex } from "../../artifacts/blobs.ts";
import { canonicalJson } from "../../definitions/canonical-json.ts";
import type { SubjectDigestJson } from "../../gen/governance/v1/governance_service_pb.ts";
import type { RunOutcome } from "../../runs/run-status.ts";
import type { RunRow } from "../../runs/run-store.ts";
import type { EventLog } from "../event-log.ts";

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
  /** The decided time, UTC: stored with the statement, so that a retry states the same one. */
  readonly at: Date;
}

/** An in-toto statement that is written and not signed yet. */
export interface Statement {
  readonly attestationId: string;
  readonly kind: "agent-run" | "provenance" | "vsa";
  readonly predicateType: string;
  /** What it states: the run's outcome, or PASSED | FAILED. */
  readonly outcome: string;
  readonly subjects: readonly SubjectDigestJson[];
  /** The bytes that are signed. */
  readonly bytes: Uint8Array;
  /** sha256 of the bytes, lower-case hex. */
  readonly sha256: string;
}

/**
 * Writes an in-toto Statement v1 about the closed event log of a run, as RFC 8785 JSON: the same facts are the same bytes.
 * @see https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
 */
export function writeStatement(
  log: EventLog,
  what: Pick<Statement, "kind" | "predicateType" | "outcome"> & { readonly predicate: object },
): Statement {
  const { predicate, ...facts } = what;
  const bytes = Buffer.from(
    canonicalJson({
      _type: "https://in-toto.io/Statement/v1",
      subject: [{ name: log.name, digest: { sha256: log.sha256 } }],
      predicateType: what.predicateType,
      predicate,
    }),
  );
  const subjects = [{ name: log.name, algorithm: "sha256", value: log.sha256 }];
  return { ...facts, attestationId: randomUUID(), subjects, bytes, sha256: sha256Hex(bytes) };
}
