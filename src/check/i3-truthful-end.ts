import { createPublicKey, verify } from "node:crypto";
import { sha256Hex } from "../artifacts/blobs.ts";
import { inTotoPayloadType, preAuthEncoding } from "../proof/attestations/dsse.ts";
import { purposeOf } from "../proof/attestations/sign-statement.ts";
import { verificationSummaryType } from "../proof/statements/verification-summary.ts";
import type { Transaction } from "../tenancy/transaction.ts";
import type { Finding, Invariant, Page } from "./invariant.ts";
import { lookByAll, lookBySql } from "./invariant.ts";

/** An end says what its seal, verdict and evidence say; nothing final is shown of a run that has not ended. */
export const endsAreTruthful: Invariant = {
  id: "I3",
  claim: "each end has its seal, its verdict and its signed evidence, and only COMPLETED has those of a success",
  over: "runs",
  look: lookByAll(
    lookBySql("runs", "select count(*) as seen from page join runs using (tenant, run_id) where ended_at is not null", [
      `select r.tenant, r.run_id as id, 'is ' || r.status || ', and its seal is ' || coalesce(s.state || ' for ' || s.outcome, 'not there') as what
       from page join runs as r using (tenant, run_id) left join seals as s using (tenant, run_id)
       where r.ended_at is not null
         and (s.state, s.outcome) is distinct from (case r.status when 'COMPLETED' then 'COMMITTED' else 'ABORTED' end, r.status)`,
      `select r.tenant, r.run_id as id, 'is ' || r.status || ', and its seal is ' || s.state as what
       from page join runs as r using (tenant, run_id) join seals as s using (tenant, run_id) where r.ended_at is null and s.state <> 'PREPARED'`,
      `select r.tenant, r.run_id as id, 'is ' || r.status || ', and its verdict ' ||
         case v.verdict->>'passed' when 'true' then 'passed' else case when v.tenant is null then 'is not there' else 'did not pass' end end as what
       from page join runs as r using (tenant, run_id) left join verdicts as v
         on v.tenant = r.tenant and v.run_id = r.run_id and v.judgement = case r.status when 'COMPLETED' then 'COMPLETION' else 'END' end
       where r.ended_at is not null and coalesce(v.verdict->>'passed', 'absent') <> case r.status when 'COMPLETED' then 'true' else 'false' end`,
      `select r.tenant, r.run_id as id, 'is ' || r.status || ', and has ' || needed.kind || ' ' ||
         count(a.tenant) filter (where a.kind = needed.kind) || ' times' as what
       from page join runs as r using (tenant, run_id)
         cross join (values ('agent-run', 1, 1), ('vsa', 1, 1), ('provenance', 1, 0)) as needed (kind, completed, other)
         left join attestations as a on a.tenant = r.tenant and a.run_id = r.run_id and a.status = 'REGISTERED' and a.seal_outcome = r.status
       where r.ended_at is not null
       group by r.tenant, r.run_id, r.status, needed.kind, needed.completed, needed.other
       having count(a.tenant) filter (where a.kind = needed.kind) <> case r.status when 'COMPLETED' then needed.completed else needed.other end`,
      `select r.tenant, r.run_id as id, 'is ' || r.status || ', and shows evidence of ' || a.seal_outcome as what
       from page join runs as r using (tenant, run_id) join attestations as a using (tenant, run_id)
       where a.status = 'REGISTERED' and (r.ended_at is null or a.seal_outcome <> r.status)`,
      `select r.tenant, r.run_id as id, 'has ended, and its ' || a.kind || ' is still PROVISIONAL' as what
       from page join runs as r using (tenant, run_id) join attestations as a using (tenant, run_id) where a.status = 'PROVISIONAL' and r.ended_at is not null`,
      `select r.tenant, r.run_id as id, 'rests on the statement ' || cited.sha256 || ', which is not registered' as what
       from page join runs as r using (tenant, run_id) join verdicts as v using (tenant, run_id),
         jsonb_array_elements(v.verdict->'lines') as line, jsonb_array_elements_text(line->'evidenceSha256') as cited (sha256)
       where r.ended_at is not null and v.judgement = case r.status when 'COMPLETED' then 'COMPLETION' else 'END' end
         and not exists (select from attestations as a where a.tenant = r.tenant and a.run_id = r.run_id and a.status = 'REGISTERED' and a.statement_sha256 = cited.sha256)`,
      `select r.tenant, r.run_id as id, 'is COMPLETED, and ' || c.rpc || ' at ' || c.receiver || ' is ' || c.state as what
       from page join runs as r using (tenant, run_id) join handoff_calls as c using (tenant, run_id)
       where r.status = 'COMPLETED' and c.phase = 'TRY' and c.state <> 'ACKNOWLEDGED'`,
      `select r.tenant, r.run_id as id, 'is ' || r.status || ', and has artifacts' as what
       from page join runs as r using (tenant, run_id) where r.ended_at is null and exists (select from artifacts as a where a.tenant = r.tenant and a.run_id = r.run_id)`,
      `select r.tenant, r.run_id as id, 'has ended without its log among its artifacts' as what
       from page join runs as r using (tenant, run_id) join seals as s using (tenant, run_id)
       where r.ended_at is not null and not exists (
         select from artifacts as a where a.tenant = r.tenant and a.run_id = r.run_id and a.kind = 'event_log' and a.sha256 = s.log_sha256)`,
    ]),
    lookAtSignatures,
  ),
};

interface Envelope {
  readonly payload: string;
  readonly payloadType: string;
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
}

/** Verifies what is registered as a stranger does: by the envelope and the published key. */
async function lookAtSignatures(transaction: Transaction, { tenants, ids }: Page) {
  const { rows } = await transaction.query<{
    tenant: string;
    runId: string;
    kind: string;
    predicateType: string;
    status: string;
    statementSha256: string;
    envelope: Buffer;
    purpose: string | null;
    pem: string | null;
  }>(
    `select a.tenant, a.run_id as "runId", a.kind, a.predicate_type as "predicateType", r.status, a.statement_sha256 as "statementSha256",
       a.envelope, k.purpose, k.public_key_pem as pem
     from unnest($1::text[], $2::uuid[]) as page (tenant, run_id)
       join attestations as a using (tenant, run_id) join runs as r using (tenant, run_id) left join signing_keys as k on k.key_id = a.key_id
     where a.status = 'REGISTERED'`,
    [tenants, ids],
  );
  const findings = rows.flatMap(({ tenant, runId, kind, ...row }): Finding[] => {
    const fault = faultOfEnvelope(row);
    return fault === undefined ? [] : [{ tenant, id: runId, what: `has the attestation ${kind}, ${fault}` }];
  });
  return { seen: rows.length, findings };
}

function faultOfEnvelope(row: {
  readonly predicateType: string;
  readonly status: string;
  readonly statementSha256: string;
  readonly envelope: Buffer;
  readonly purpose: string | null;
  readonly pem: string | null;
}): string | undefined {
  if (row.pem === null) return "whose key was never published";
  try {
    const { payload, payloadType, signatures } = JSON.parse(row.envelope.toString()) as Envelope;
    const bytes = Buffer.from(payload, "base64");
    const signature = Buffer.from(signatures[0]?.sig ?? "", "base64");
    if (payloadType !== inTotoPayloadType || sha256Hex(bytes) !== row.statementSha256)
      return "whose envelope holds another statement than is recorded";
    if (!verify(null, preAuthEncoding(payloadType, bytes), createPublicKey(row.pem), signature))
      return "whose signature is not that of its key";
    if (row.purpose !== purposeOf(row.predicateType)) return "which is signed with a key for other statements";
    const { predicateType, predicate } = JSON.parse(bytes.toString());
    if (predicateType !== row.predicateType) return "whose statement is of another type than is recorded";
    if (predicateType !== verificationSummaryType) return undefined;
    const isPassed = predicate.verificationResult === "PASSED";
    return isPassed === (row.status === "COMPLETED")
      ? undefined
      : `which says ${predicate.verificationResult} of a run that is ${row.status}`;
  } catch {
    return "whose envelope can't be read";
  }
}
