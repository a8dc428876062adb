-- Up Migration

-- The ledger of requests. Hot tables, here and for runs, have no foreign keys: a row is written together with its parents, and none is deleted.

create table event_identities (
  tenant text not null,
  org text not null,
  source text not null,
  event_id text not null,
  digest_version smallint not null,
  payload_digest text not null,
  request_id uuid not null,
  run_id uuid,
  position text not null,
  record_digest text not null default '',
  created_at timestamptz not null default now(),
  primary key (tenant, source, event_id)
);
comment on table event_identities is 'Decides whether a request was seen before; kept longer than bus and Temporal keep anything.';
comment on column event_identities.position is 'Where the first delivery stood: the same position again, with the same record, is a no-op.';
comment on column event_identities.record_digest is 'sha256 over key, headers and value of the first delivery as it stood on the bus; empty for a call of the api, which never repeats a position';

create table run_requests (
  tenant text not null,
  request_id uuid not null,
  org text not null,
  source text not null,
  event_id text not null,
  event_type text not null,
  decision int not null default 0,
  disposition text not null check (disposition in ('accepted', 'filtered', 'rejected', 'quarantined')),
  reasons jsonb not null default '[]',
  run_id uuid,
  position text not null,
  payload jsonb not null,
  dropped_fields jsonb not null default '[]',
  correlation_id text,
  causation_id text,
  traceparent text,
  tracestate text,
  subject text,
  data_schema text,
  event_time timestamptz,
  received_at timestamptz(3) not null default now(),
  primary key (tenant, request_id)
);
comment on column run_requests.payload is 'the event data as received';
comment on column run_requests.reasons is 'automation.v1.Reason as proto JSON, all at once';
comment on column run_requests.dropped_fields is 'paths in the payload that a newer minor version of its data schema has, and this one does not know';
create index run_requests_newest on run_requests (tenant, received_at desc, request_id);
create index run_requests_event on run_requests (tenant, event_id);

create table deliveries (
  tenant text not null,
  org text not null,
  position text not null,
  record_digest text not null default '',
  request_id uuid,
  source text not null,
  event_id text not null,
  event_type text not null,
  run_id uuid,
  disposition text not null check (disposition in ('duplicate', 'conflict', 'quarantined')),
  reasons jsonb not null default '[]',
  payload_digest text,
  received_at timestamptz(3) not null default now(),
  primary key (tenant, position, record_digest),
  check ((disposition = 'quarantined') = (request_id is null))
);
comment on table deliveries is 'Deliveries of a known identity after its first, which is the request itself, and those that are not understood but come from a source bound to the tenant. Their facts are their own: an identity of another org gives nothing away.';
comment on column deliveries.org is 'of a quarantined delivery whose binding names no org: `*`, read by those who read every org';
comment on column deliveries.reasons is 'automation.v1.Reason as proto JSON; of quarantined ones';
create index deliveries_newest on deliveries (tenant, received_at desc);
create index deliveries_request on deliveries (tenant, request_id);
create index deliveries_event on deliveries (tenant, event_id);

create table platform_deliveries (
  position text not null,
  record_digest text not null default '',
  source text not null default '',
  event_id text not null default '',
  event_type text not null default '',
  disposition text not null check (disposition = 'quarantined'),
  cause text not null,
  reasons jsonb not null,
  size_bytes int not null,
  received_at timestamptz(3) not null default now(),
  primary key (position, record_digest)
);
comment on table platform_deliveries is 'Deliveries that belong to no tenant: undecodable without a bound source, or from a source not bound to the tenant they name.';
comment on column platform_deliveries.source is 'source, event_id and event_type as the record claims them, cut; empty when they can''t be read';
create index platform_deliveries_newest on platform_deliveries (received_at desc);
create index platform_deliveries_event on platform_deliveries (event_id);

select protect_org_table(t::regclass), open_tenant_table(t::regclass, 'automation_dispatcher')
from unnest(array['event_identities', 'run_requests', 'deliveries']) as t;
-- An identity is the tenant's: the same event id from another org is seen, so it is a conflict and never a second run.
alter policy api on event_identities using (tenant = current_tenant());

-- Read by the operator, under the tenant `*`, which no tenant is called.
alter table platform_deliveries enable row level security, force row level security;
create policy api on platform_deliveries for select to automation_api using ((select current_tenant()) = '*');
create policy automation_dispatcher on platform_deliveries to automation_dispatcher using (true) with check (true);
create policy owner on platform_deliveries to automation_migrate using (true) with check (true);

select append_only(t::regclass) from unnest(array['event_identities', 'run_requests', 'deliveries', 'platform_deliveries']) as t;

grant select on event_identities, run_requests, deliveries to automation_api;
grant insert (tenant, org, source, event_id, digest_version, payload_digest, request_id, run_id, position, record_digest) on event_identities to automation_api, automation_dispatcher;
grant insert (tenant, request_id, org, source, event_id, event_type, disposition, reasons, run_id, position, payload, dropped_fields, correlation_id, causation_id,
  traceparent, tracestate, subject, data_schema, event_time) on run_requests to automation_api, automation_dispatcher;
grant insert (tenant, org, position, record_digest, request_id, source, event_id, event_type, run_id, disposition, payload_digest) on deliveries to automation_api, automation_dispatcher;
grant select (position, record_digest, cause, reasons, size_bytes, received_at, source, event_id, event_type) on platform_deliveries to automation_api;

grant select (tenant, org, source, event_id, payload_digest, request_id, run_id, position, record_digest) on event_identities to automation_dispatcher;
grant select (position, record_digest), insert (reasons) on deliveries to automation_dispatcher;
grant select (position, record_digest), insert (position, record_digest, disposition, cause, reasons, size_bytes, source, event_id, event_type) on platform_deliveries to automation_dispatcher;
