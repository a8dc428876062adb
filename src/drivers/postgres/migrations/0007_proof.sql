-- Up Migration

create table signing_keys (
  key_id text primary key,
  purpose text not null check (purpose in ('builder', 'verifier')),
  public_key_pem text not null,
  not_before timestamptz not null,
  not_after timestamptz
);
comment on table signing_keys is 'Public halves; the private ones are read by the api alone. Keys belong to the installation, so there is no tenant.';

create table verdicts (
  tenant text not null,
  org text not null,
  run_id uuid not null,
  gate text not null,
  judgement text not null check (judgement in ('COMPLETION', 'END')),
  generation int not null,
  profile_digest text not null,
  verdict jsonb not null,
  judged_at timestamptz not null,
  primary key (tenant, run_id, gate, judgement)
);
comment on table verdicts is 'How gates judged runs, once for each gate and judgement: automation.v1.Verdict as proto JSON.';
comment on column verdicts.judgement is 'COMPLETION: whether the run may complete; END: how it stands at an end that is not COMPLETED';
comment on column verdicts.generation is 'of the run when it was judged';

create table attestations (
  tenant text not null,
  attestation_id uuid not null,
  org text not null,
  run_id uuid not null,
  seal_outcome text not null,
  kind text not null,
  name text not null,
  predicate_type text not null,
  purpose text not null,
  outcome text not null,
  vantage text not null,
  subjects jsonb not null,
  statement bytea not null,
  statement_sha256 text not null,
  envelope bytea,
  key_id text,
  status text not null check (status in ('PROVISIONAL', 'REGISTERED', 'DISCARDED')),
  profile_digest text not null,
  created_at timestamptz not null default now(),
  registered_at timestamptz,
  primary key (tenant, attestation_id),
  unique (tenant, run_id, seal_outcome, name, predicate_type),
  check ((status = 'REGISTERED') = (envelope is not null))
);
comment on column attestations.statement is 'the exact bytes that are signed';
comment on column attestations.subjects is 'governance.v1.SubjectDigest as proto JSON';
comment on column attestations.seal_outcome is 'the end it was prepared for: what was prepared for COMPLETED is DISCARDED when another end comes';
create index attestations_newest on attestations (tenant, registered_at desc, attestation_id) where status = 'REGISTERED';

create table attestation_subjects (
  tenant text not null,
  org text not null,
  attestation_id uuid not null,
  algorithm text not null,
  value text not null,
  primary key (tenant, attestation_id, algorithm, value)
);
create index attestation_subjects_by_value on attestation_subjects (tenant, value);

select protect_org_table(t::regclass) from unnest(array['verdicts', 'attestations', 'attestation_subjects']) as t;

-- PROVISIONAL → REGISTERED | DISCARDED
create trigger ended before update on attestations for each row when (old.status <> 'PROVISIONAL') execute function refuse_write('it is registered or discarded');
select fix_columns('attestations', 'tenant, attestation_id, org, run_id, seal_outcome, kind, name, predicate_type, purpose, outcome, vantage, subjects,
  statement, statement_sha256, profile_digest, created_at');
select fix_columns('signing_keys', 'key_id, purpose, public_key_pem, not_before');
select append_only(t::regclass) from unnest(array['verdicts', 'attestation_subjects']) as t;
select never_deleted(t::regclass) from unnest(array['attestations', 'signing_keys']) as t;

grant select on verdicts, signing_keys, attestations, attestation_subjects to automation_api;
grant insert (tenant, org, run_id, gate, judgement, generation, profile_digest, verdict, judged_at) on verdicts to automation_api;
grant insert (key_id, purpose, public_key_pem, not_before) on signing_keys to automation_api;
grant insert (tenant, org, run_id, seal_outcome, profile_digest, created_at, attestation_id, kind, name, predicate_type, purpose, outcome, vantage, subjects,
  statement, statement_sha256, envelope, key_id, status, registered_at), update (status, envelope, key_id, registered_at) on attestations to automation_api;
grant insert (tenant, org, attestation_id, algorithm, value) on attestation_subjects to automation_api;
