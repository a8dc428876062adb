import { createHash, verify } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { expect } from "vitest";
import { createArtifactUrl } from "../../../src/artifacts/artifact-url.ts";
import { createListArtifacts } from "../../../src/artifacts/list-artifacts.ts";
import type { RunEventJson } from "../../../src/gen/automation/v1/run_event_pb.ts";
import {
  GetAttestationRequestSchema,
  ListAttestationsRequestSchema,
} from "../../../src/gen/governance/v1/governance_service_pb.ts";
import { preAuthEncoding } from "../../../src/proof/attestations/dsse.ts";
import { createGetAttestation, createListAttestations } from "../../../src/proof/attestations/list-attestations.ts";
import type { SealScope } from "../../../src/seal/run-so-far.ts";
import { scopeOf } from "../builders/declared.ts";
import type { Sealing } from "../worlds/sealing.ts";

export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** A registered statement, as its signature covers it. */
export interface Stated {
  readonly kind: string;
  readonly statement: { readonly subject: object; readonly predicateType: string; readonly predicate: object };
  readonly statementSha256: string;
}

/** Looks at what sealing leaves: rows as a superuser sees them, proof as a client gets it. */
export function lookAt(sealing: Sealing) {
  async function statusOf({ runId }: SealScope): Promise<string> {
    return (await sealing.admin.query("select status from runs where run_id = $1", [runId])).rows[0].status;
  }

  async function isClosed({ runId }: SealScope): Promise<boolean> {
    return (await sealing.admin.query("select closed from run_streams where run_id = $1", [runId])).rows[0].closed;
  }

  async function statuses({ runId }: SealScope): Promise<string[]> {
    const { rows } = await sealing.admin.query("select status from attestations where run_id = $1 order by 1", [runId]);
    return rows.map((row) => row.status);
  }

  async function eventsOf({ runId }: SealScope): Promise<RunEventJson[]> {
    const { rows } = await sealing.admin.query("select event from run_events where run_id = $1 order by sequence", [
      runId,
    ]);
    return rows.map((row) => row.event);
  }

  /** What of an end is there: all of it or nothing. */
  async function halves({ runId }: SealScope) {
    const { rows } = await sealing.admin.query(
      `select (select count(*)::int from attestations where run_id = $1 and status = 'REGISTERED') as registered,
              (select status from runs where run_id = $1) as status,
              (select coalesce(string_agg(judgement, ' ' order by judgement), '') from verdicts where run_id = $1) as verdicts,
              (select count(*)::int from artifacts where run_id = $1) as artifacts,
              (select count(*)::int from element_versions where run_id = $1) as elements`,
      [runId],
    );
    return rows[0];
  }

  /** All pages of what the narrowing leaves. */
  async function list(tenant: string, narrow: object) {
    const listAttestations = createListAttestations(sealing);
    const found = [];
    let pageToken = "";
    do {
      const page = await listAttestations(
        create(ListAttestationsRequestSchema, { pageToken, ...narrow }),
        scopeOf(tenant),
      );
      found.push(...(page.attestations ?? []));
      pageToken = page.nextPageToken ?? "";
    } while (pageToken !== "");
    return found;
  }

  /** A run's statements, each checked against its signature, and the log they speak of, fetched as a client does. */
  async function proofOf(scope: SealScope) {
    const get = createGetAttestation(sealing);
    const urlOf = createArtifactUrl({ ...sealing, urlFor: sealing.s3.urlFor });
    const statements: Record<string, Stated> = {};
    const all: Stated[] = [];
    for (const { id, kind = "", keyId, statementSha256 = "" } of await list(scope.tenant, { runId: scope.runId })) {
      const { attestation } = await get(create(GetAttestationRequestSchema, { id }), scopeOf(scope.tenant));
      const envelope = JSON.parse(Buffer.from(attestation?.envelope ?? "", "base64").toString());
      const payload = Buffer.from(envelope.payload, "base64");
      const purpose = kind === "vsa" ? "verifier" : "builder";
      const key = sealing.signer.publicKeys.find((each) => each.purpose === purpose);
      const signature = Buffer.from(envelope.signatures[0].sig, "base64");
      expect(verify(null, preAuthEncoding(envelope.payloadType, payload), key?.pem ?? "", signature)).toBe(true);
      expect([keyId, envelope.signatures[0].keyid]).toEqual([key?.keyId, key?.keyId]);
      expect(sha256(payload.toString())).toBe(statementSha256);
      const stated = { kind, statement: JSON.parse(payload.toString()), statementSha256 };
      statements[kind] = stated;
      all.push(stated);
    }
    const { artifacts = [] } = await createListArtifacts(sealing)(scopeOf(scope.tenant), scope.runId);
    const logArtifact = artifacts.find((artifact) => artifact.kind === "event_log");
    const { url = "" } = await urlOf(scopeOf(scope.tenant), logArtifact?.id ?? "");
    const log = await (await fetch(url)).text();
    expect(sha256(log)).toBe(logArtifact?.sha256);
    return { statements, all, log, logSha256: sha256(log) };
  }

  return { statusOf, isClosed, statuses, eventsOf, halves, list, proofOf };
}
