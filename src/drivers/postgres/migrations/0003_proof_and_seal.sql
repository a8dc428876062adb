-- Up Migration

create table artifacts (
  tenant text not null,
  artifact_id uuid not null,
  run_id uuid not null,
  name text not null,
  media_type text not null,
  sha256 text not null,
  size_bytes bigint not null,
  object_key text not null,
  created_at timestamptz not null default now(),
  primary key (tenant, artifact_id)
);
create index artifacts_by_run on artifacts (tenant, run_id);

create table signing_keys (
  key_id text primary key,
  purpose text not null check (purpose in ('builder', 'verifier')),
  public_key_pem text not null,
  not_before timestamptz not null,
  not_after timestamptz
);
comment on table signing_keys is 'Public halves; the private ones are read by the api alone. Keys belong to the installation, so there is no tenant.';

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
comment on column attestations.seal_outcome is 'the end it was prepared for: a COMPLETED in preparation is DISCARDED when another end comes';
create index attestations_newest on attestations (tenant, registered_at desc, attestation_id) where status = 'REGISTERED';

create table attestation_subjects (
  tenant text not null,
  attestation_id uuid not null,
  algorithm text not null,
  value text not null,
  primary key (tenant, attestation_id, algorithm, value)
);
create index attestation_subjects_by_value on attestation_subjects (tenant, value);

create table seals (
  tenant text not null,
  run_id uuid not null,
  state text not null check (state in ('PREPARED', 'COMMITTED', 'ABORTED')),
  outcome text not null,
  verdict jsonb not null,
  cause text not null default '',
  log_head text not null,
  log_count bigint not null,
  log_sha256 text not null,
  prepared_at timestamptz not null default now(),
  ended_at timestamptz,
  primary key (tenant, run_id)
);
comment on table seals is 'One per run: PREPARED → COMMITTED | ABORTED by compare-and-set. verdict is automation.v1.Verdict as proto JSON.';

create table handoff_calls (
  tenant text not null,
  call_id uuid not null,
  org text not null,
  run_id uuid not null,
  receiver text not null,
  method text not null,
  idempotency_key text not null,
  phase text not null check (phase in ('TRY', 'CONFIRM', 'CANCEL')),
  state text not null check (state in ('DUE', 'ACKNOWLEDGED', 'REFUSED', 'STUCK')),
  request jsonb not null,
  request_digest text not null,
  answer jsonb,
  attempts int not null default 0,
  last_error text not null default '',
  next_attempt_at timestamptz,
  created_at timestamptz not null default now(),
  answered_at timestamptz,
  primary key (tenant, call_id),
  unique (tenant, idempotency_key, phase)
);
comment on column handoff_calls.next_attempt_at is 'null while the workflow drives the call (tries before a commit); else when the deliver loop sends it';
create index handoff_calls_due on handoff_calls (next_attempt_at) where state = 'DUE' and next_attempt_at is not null;
create index handoff_calls_by_run on handoff_calls (tenant, run_id);

-- Claims due calls of all tenants for 10 s, those of busy receivers left out, and tells no more than where they are; each is then sent under its own tenant.
create function claim_due_handoff_calls(at_most int, busy text[]) returns table (tenant text, call_id uuid, receiver text)
language sql security definer set search_path = public as $$
  update handoff_calls as call set next_attempt_at = now() + interval '10 seconds'
  from (
    select c.tenant, c.call_id from handoff_calls c
    where c.state = 'DUE' and c.next_attempt_at <= now() and c.receiver <> all (busy)
    order by c.next_attempt_at limit at_most for update skip locked
  ) as due
  where call.tenant = due.tenant and call.call_id = due.call_id
  returning call.tenant, call.call_id, call.receiver;
$$;
revoke all on function claim_due_handoff_calls(int, text[]) from public;
grant execute on function claim_due_handoff_calls(int, text[]) to automation_api;

create table impediments (
  tenant text not null,
  impediment_id uuid not null,
  org text not null,
  method text not null,
  work_item text not null,
  cause text not null,
  summary text not null,
  lines jsonb not null,
  occurrences int not null,
  state text not null check (state in ('OPEN')),
  remote_id text not null default '',
  last_run_id uuid not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant, impediment_id),
  unique (tenant, method, work_item, cause)
);
comment on column impediments.lines is 'automation.v1.VerdictLine as proto JSON, of the latest occurrence';

create table elements (
  tenant text not null,
  element_id uuid not null,
  type_key text not null,
  name text not null,
  created_at timestamptz not null default now(),
  primary key (tenant, element_id)
);

create table element_versions (
  tenant text not null,
  element_id uuid not null,
  version int not null,
  run_id uuid not null,
  attachments jsonb not null,
  created_at timestamptz not null default now(),
  primary key (tenant, element_id, version),
  unique (tenant, element_id, run_id)
);
comment on column element_versions.attachments is 'graph.v1.Attachment as proto JSON';

create table element_relationships (
  tenant text not null,
  element_id uuid not null,
  type_key text not null,
  target_kind text not null,
  target_id text not null,
  target jsonb not null,
  primary key (tenant, element_id, type_key, target_kind, target_id)
);
comment on column element_relationships.target is 'automation.v1.Ref as proto JSON';
create index element_relationships_by_target on element_relationships (tenant, target_kind, target_id);

select protect_tenant_table(t::regclass)
from unnest(array['artifacts', 'attestations', 'attestation_subjects', 'seals', 'handoff_calls', 'impediments', 'elements', 'element_versions', 'element_relationships']) as t;

grant select, insert on artifacts, attestation_subjects, signing_keys, element_versions, element_relationships to automation_api;
grant select, insert, update on attestations, seals, handoff_calls, impediments, elements to automation_api;
