import type {
  AttestationJson,
  GetAttestationRequest,
  GetAttestationResponseJson,
  ListAttestationsRequest,
  ListAttestationsResponseJson,
} from "../../gen/governance/v1/governance_service_pb.ts";
import { assertRun } from "../../runs/in-run.ts";
import { decodePageToken, encodePageToken, pageSizeOf } from "../../tenancy/page-token.ts";
import type { InScope, Scope } from "../../tenancy/transaction.ts";
import { UnknownIdError } from "../../tenancy/unknown-id-error.ts";
import { idsThatBegin, isUuid } from "../../tenancy/uuid.ts";
import type { AttestationRow } from "./attestation-store.ts";
import { findRegistered, listRegistered } from "./attestation-store.ts";

/** The tenant has no registered attestation with that id. */
export class UnknownAttestationError extends UnknownIdError {
  override readonly name = "UnknownAttestationError";
  readonly code = "unknown_attestation";
  constructor(attestationId: string) {
    super("id", attestationId, {
      rule: "the id of a registered attestation of this tenant and org",
      remedy: "`automation attestation list` shows them",
    });
  }
}

/** Lists registered attestations, newest first. Prepared and discarded ones are never served. */
export function createListAttestations(deps: { readonly inScope: InScope }) {
  return async (request: ListAttestationsRequest, scope: Scope): Promise<ListAttestationsResponseJson> => {
    const { runId, reference, subjectSha256, idPrefix } = request;
    const ids = idPrefix === "" ? null : idsThatBegin(idPrefix);
    if (ids === undefined) return {};
    const after = decodePageToken(request.pageToken);
    const size = pageSizeOf(request.pageSize);
    const filter = {
      runId: runId || null,
      reference: reference ?? null,
      subjectSha256: subjectSha256 === "" ? null : subjectSha256.toLowerCase(),
      ids,
    };
    const rows = await deps.inScope(scope, async (transaction) => {
      if (runId !== "") await assertRun(transaction, scope.tenant, runId);
      return listRegistered(transaction, scope.tenant, filter, after, size + 1);
    });
    const page = rows.slice(0, size);
    const last = page.at(-1);
    const nextPageToken =
      rows.length > size && last !== undefined
        ? encodePageToken({ at: last.registeredAt, id: last.attestationId })
        : "";
    return { attestations: page.map(toJson), nextPageToken };
  };
}

/** @throws UnknownAttestationError */
export function createGetAttestation(deps: { readonly inScope: InScope }) {
  return async ({ id }: GetAttestationRequest, scope: Scope): Promise<GetAttestationResponseJson> => {
    const found = isUuid(id)
      ? await deps.inScope(scope, (transaction) => findRegistered(transaction, scope.tenant, id))
      : undefined;
    if (found === undefined) throw new UnknownAttestationError(id);
    return { attestation: { ...toJson(found), envelope: found.envelope.toString("base64") } };
  };
}

function toJson(row: AttestationRow): AttestationJson {
  return {
    id: row.attestationId,
    tenant: row.tenant,
    org: row.org,
    kind: row.kind,
    predicateType: row.predicateType,
    name: row.name,
    runId: row.runId,
    subjects: row.subjects,
    statementSha256: row.statementSha256,
    keyId: row.keyId,
    vantage: row.vantage,
    outcome: row.outcome,
    profileDigest: row.profileDigest,
    status: "ATTESTATION_STATUS_REGISTERED",
    createdAt: row.createdAt.toISOString(),
    registeredAt: row.registeredAt.toISOString(),
  };
}
