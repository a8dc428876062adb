import type { SubjectDigestJson } from "../../gen/governance/v1/governance_service_pb.ts";
import type { RunOutcome } from "../../runs/run-status.ts";
import type { PageCursor } from "../../tenancy/page-token.ts";
import type { Transaction } from "../../tenancy/transaction.ts";
import type { IdRange } from "../../tenancy/uuid.ts";
import type { Statement } from "../statements/statement.ts";
import type { SignedStatement, StoredStatement } from "./sign-statement.ts";
import { purposeOf } from "./sign-statement.ts";

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

/** The run, and the end of it, that statements are about. */
export interface EndScope {
  readonly tenant: string;
  readonly org: string;
  readonly runId: string;
  readonly outcome: RunOutcome;
  readonly profileDigest: string;
  readonly at: Date;
}

/** Stores statements: signed ones as REGISTERED, unsigned ones as PROVISIONAL. */
export async function insertStatements(
  transaction: Transaction,
  scope: EndScope,
  statements: readonly Statement[],
  signed: readonly SignedStatement[] = [],
): Promise<void> {
  const signatures = statements.map(({ attestationId }) => signed.find((each) => each.attestationId === attestationId));
  await transaction.query(
    `insert into attestations (tenant, org, run_id, seal_outcome, profile_digest, created_at, attestation_id, kind, name, predicate_type, purpose,
       outcome, vantage, subjects, statement, statement_sha256, envelope, key_id, status, registered_at)
     select $1, $2, $3, $4, $5, $6, s.id, s.kind, s.name, s.type, s.purpose, s.outcome, s.vantage, s.subjects, s.bytes, s.sha256, s.envelope, s.key_id,
       case when s.envelope is null then 'PROVISIONAL' else 'REGISTERED' end, case when s.envelope is not null then $6::timestamptz end
     from unnest($7::uuid[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::jsonb[], $15::bytea[], $16::text[], $17::bytea[], $18::text[])
       as s(id, kind, name, type, purpose, outcome, vantage, subjects, bytes, sha256, envelope, key_id)`,
    [
      scope.tenant,
      scope.org,
      scope.runId,
      scope.outcome,
      scope.profileDigest,
      scope.at,
      statements.map((each) => each.attestationId),
      statements.map((each) => each.kind),
      statements.map((each) => each.name),
      statements.map((each) => each.predicateType),
      statements.map((each) => purposeOf(each.predicateType)),
      statements.map((each) => each.outcome),
      statements.map((each) => each.vantage),
      statements.map((each) => JSON.stringify(each.subjects)),
      statements.map((each) => each.bytes),
      statements.map((each) => each.sha256),
      signatures.map((each) => each?.envelope ?? null),
      signatures.map((each) => each?.keyId ?? null),
    ],
  );
}

/** A statement that is prepared and not registered yet. */
export interface ProvisionalStatement extends StoredStatement {
  readonly subjects: readonly SubjectDigestJson[];
}

/** The prepared statements of a run, by name. */
export async function findProvisional(
  transaction: Transaction,
  tenant: string,
  runId: string,
): Promise<ProvisionalStatement[]> {
  const { rows } = await transaction.query<ProvisionalStatement>(
    `select attestation_id as "attestationId", name, statement as bytes, statement_sha256 as sha256, subjects
     from attestations where tenant = $1 and run_id = $2 and status = 'PROVISIONAL' order by name`,
    [tenant, runId],
  );
  return rows;
}

/** Turns provisional statements into registered attestations. @returns how many; fewer than given when a stored statement differs from the signed one */
export async function registerStatements(
  transaction: Transaction,
  run: { readonly tenant: string; readonly runId: string },
  signed: readonly SignedStatement[],
  at: Date,
): Promise<number> {
  const { rowCount } = await transaction.query(
    `update attestations as a set status = 'REGISTERED', envelope = s.envelope, key_id = s.key_id, registered_at = $3
     from unnest($4::uuid[], $5::bytea[], $6::text[], $7::text[]) as s(id, envelope, key_id, sha256)
     where a.tenant = $1 and a.run_id = $2 and a.attestation_id = s.id and a.status = 'PROVISIONAL'
       and a.statement_sha256 = s.sha256 and encode(sha256(a.statement), 'hex') = s.sha256`,
    [
      run.tenant,
      run.runId,
      at,
      signed.map((each) => each.attestationId),
      signed.map((each) => each.envelope),
      signed.map((each) => each.keyId),
      signed.map((each) => each.statementSha256),
    ],
  );
  return rowCount ?? 0;
}

/** Indexes a run's registered attestations by the digests of their subjects. */
export async function indexSubjects(transaction: Transaction, tenant: string, runId: string): Promise<void> {
  await transaction.query(
    `insert into attestation_subjects (tenant, attestation_id, algorithm, value)
     select a.tenant, a.attestation_id, s->>'algorithm', s->>'value' from attestations a, jsonb_array_elements(a.subjects) s
     where a.tenant = $1 and a.run_id = $2 and a.status = 'REGISTERED'
     on conflict do nothing`,
    [tenant, runId],
  );
}

/** Discards the prepared statements of a run that ends otherwise. */
export async function discardProvisional(transaction: Transaction, tenant: string, runId: string): Promise<void> {
  await transaction.query(
    "update attestations set status = 'DISCARDED' where tenant = $1 and run_id = $2 and status = 'PROVISIONAL'",
    [tenant, runId],
  );
}

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
