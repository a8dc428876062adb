import type { SubjectDigestJson } from "../../gen/governance/v1/governance_service_pb.ts";
import type { PageCursor } from "../../tenancy/page-token.ts";
import type { Transaction } from "../../tenancy/transaction.ts";
import type { IdRange } from "../../tenancy/uuid.ts";
import type { Statement } from "../statements/statement.ts";

/** An attestation as stored, without its bytes. */
export interface AttestationRow {
  readonly attestationId: string;
  readonly tenant: string;
  readonly org: string;
  readonly runId: string;
  readonly kind: Statement["kind"];
  readonly name: string;
  readonly predicateType: string;
  readonly outcome: string;
  readonly vantage: string;
  readonly subjects: SubjectDigestJson[];
  readonly statementSha256: string;
  readonly keyId: string;
  readonly profileDigest: string;
  readonly createdAt: Date;
  readonly registeredAt: Date;
}

const columns = `
  a.attestation_id as "attestationId", a.tenant, a.org, a.run_id as "runId", a.kind, a.name, a.predicate_type as "predicateType",
  a.outcome, a.vantage, a.subjects, a.statement_sha256 as "statementSha256", a.key_id as "keyId", a.profile_digest as "profileDigest",
  a.created_at as "createdAt", a.registered_at as "registeredAt"`;

/** A registered attestation with its envelope. */
export async function findRegistered(
  transaction: Transaction,
  tenant: string,
  attestationId: string,
): Promise<(AttestationRow & { readonly envelope: Buffer }) | undefined> {
  const { rows } = await transaction.query<AttestationRow & { envelope: Buffer }>(
    `select ${columns}, a.envelope from attestations a where a.tenant = $1 and a.attestation_id = $2 and a.status = 'REGISTERED'`,
    [tenant, attestationId],
  );
  return rows[0];
}

export interface AttestationFilter {
  readonly runId: string | null;
  readonly reference: { readonly kind: string; readonly id: string } | null;
  /** Prefix of the digest, lower-case hex. */
  readonly subjectSha256: string | null;
  readonly ids: IdRange | null;
}

/** Registered attestations, newest first, at most `limit`. */
export async function listRegistered(
  transaction: Transaction,
  tenant: string,
  filter: AttestationFilter,
  after: PageCursor | undefined,
  limit: number,
): Promise<AttestationRow[]> {
  const { rows } = await transaction.query<AttestationRow>(
    `select ${columns} from attestations a
     where a.tenant = $1 and a.status = 'REGISTERED'
       and ($2::uuid is null or a.run_id = $2)
       and ($3::text is null or exists (
         select from run_references r where r.tenant = a.tenant and r.run_id = a.run_id and r.kind = $3 and r.id = $4))
       and ($5::text is null or exists (
         select from attestation_subjects s where s.tenant = a.tenant and s.attestation_id = a.attestation_id and s.algorithm = 'sha256' and s.value between $5 and rpad($5, 64, 'f')))
       and ($9::uuid is null or a.attestation_id between $9 and $10::uuid)
       and ($6::timestamptz is null or (a.registered_at, a.attestation_id) < ($6, $7::uuid))
     order by a.registered_at desc, a.attestation_id desc limit $8`,
    [
      tenant,
      filter.runId,
      filter.reference?.kind ?? null,
      filter.reference?.id ?? null,
      filter.subjectSha256,
      after?.at ?? null,
      after?.id ?? null,
      limit,
      filter.ids?.first ?? null,
      filter.ids?.last ?? null,
    ],
  );
  return rows;
}
