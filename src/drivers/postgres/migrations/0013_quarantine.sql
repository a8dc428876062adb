-- Up Migration

-- A delivery that is not understood, and whose source is bound to a tenant, stands in that tenant's ledger. Its org is `*`, which those read who read every org, when the binding names none for it.
alter table deliveries drop constraint deliveries_disposition_check, add check (disposition in ('duplicate', 'conflict', 'quarantined')),
  alter column request_id drop not null, alter column payload_digest drop not null,
  add check ((disposition = 'quarantined') = (request_id is null)),
  add column reasons jsonb not null default '[]';
comment on table deliveries is 'Every delivery of a known identity after its first, which is the request itself, and every one that is not understood. What it says is its own: an identity of another org gives nothing away.';
comment on column deliveries.reasons is 'automation.v1.Reason as proto JSON; of quarantined ones';
grant select (position, record_digest), insert (reasons) on deliveries to automation_dispatcher;

-- The rest is the operator's to read: under the tenant `*`, which no tenant is called.
alter table platform_deliveries
  alter column received_at type timestamptz(3),
  add column source text not null default '', add column event_id text not null default '', add column event_type text not null default '',
  enable row level security, force row level security;
comment on table platform_deliveries is 'Deliveries that belong to no tenant: undecodable without a bound source, or from a source not bound to the tenant they name.';
comment on column platform_deliveries.source is 'source, event_id and event_type as the record claims them, cut; empty when they can''t be read';
create policy api on platform_deliveries for select to automation_api using ((select current_tenant()) = '*');
create policy automation_dispatcher on platform_deliveries to automation_dispatcher using (true) with check (true);
create policy owner on platform_deliveries to automation_migrate using (true) with check (true);
create index platform_deliveries_newest on platform_deliveries (received_at desc);
create index platform_deliveries_event on platform_deliveries (event_id);
grant select (position, record_digest, cause, reasons, size_bytes, received_at, source, event_id, event_type) on platform_deliveries to automation_api;
grant insert (source, event_id, event_type) on platform_deliveries to automation_dispatcher;

alter table run_requests add column dropped_fields jsonb not null default '[]';
comment on column run_requests.dropped_fields is 'paths in the payload that a newer minor version of its data schema has, and this one does not know';
grant insert (dropped_fields) on run_requests to automation_api, automation_dispatcher;
