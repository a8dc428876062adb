import type { SubjectDigestJson } from "../../gen/governance/v1/governance_service_pb.ts";
import type { RunOutcome } from "../../runs/run-status.ts";
import type { Transaction } from "../../tenancy/transaction.ts";
import type { Statement } from "../statements/statement.ts";
import type { SignedStatement, StoredStatement } from "./sign-statement.ts";
import { purposeOf } from "./sign-statement.ts";

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
  readonly outcome: string;
}

/** The prepared statements of a run, by name. */
export async function findProvisional(
  transaction: Transaction,
  tenant: string,
  runId: string,
): Promise<ProvisionalStatement[]> {
  const { rows } = await transaction.query<ProvisionalStatement>(
    `select attestation_id as "attestationId", name, statement as bytes, statement_sha256 as sha256, subjects, outcome
     from attestations where tenant = $1 and run_id = $2 and status = 'PROVISIONAL' order by name`,
    [tenant, runId],
  );
  return rows;
}

/** Turns provisional statements into registered attestations, indexed by the digests of their subjects. @returns how many; fewer than given when a stored statement differs from the signed one */
export async function registerStatements(
  transaction: Transaction,
  run: { readonly tenant: string; readonly runId: string },
  signed: readonly SignedStatement[],
  at: Date,
): Promise<number> {
  const { rowCount } = await transaction.query(
    `with registered as (
       update attestations as a set status = 'REGISTERED', envelope = s.envelope, key_id = s.key_id, registered_at = $3
       from unnest($4::uuid[], $5::bytea[], $6::text[], $7::text[]) as s(id, envelope, key_id, sha256)
       where a.tenant = $1 and a.run_id = $2 and a.attestation_id = s.id and a.status = 'PROVISIONAL'
         and a.statement_sha256 = s.sha256 and encode(sha256(a.statement), 'hex') = s.sha256
       returning a.tenant, a.attestation_id, a.subjects
     ), indexed as (
       insert into attestation_subjects (tenant, attestation_id, algorithm, value)
       select tenant, attestation_id, s->>'algorithm', s->>'value' from registered, jsonb_array_elements(subjects) as s
       on conflict do nothing
     )
     select from registered`,
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
