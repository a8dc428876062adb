-- Up Migration

-- Hot tables carry no foreign keys: each is written with its parents in one statement, and no row of them is ever deleted by hand.

create table event_identities (
  tenant text not null,
  source text not null,
  event_id text not null,
  digest_version smallint not null,
  payload_digest text not null,
  request_id uuid not null,
  run_id uuid,
  position text not null,
  created_at timestamptz not null default now(),
  primary key (tenant, source, event_id)
);
comment on table event_identities is 'Decides whether a request was seen before; outlives every retention of bus and Temporal.';
comment on column event_identities.position is 'Where the first delivery stood: the same position again is a no-op.';

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
create index run_requests_newest on run_requests (tenant, received_at desc, request_id);
create index run_requests_event on run_requests (tenant, event_id);

create table deliveries (
  tenant text not null,
  position text not null,
  request_id uuid not null,
  disposition text not null check (disposition in ('duplicate', 'conflict')),
  payload_digest text not null,
  received_at timestamptz(3) not null default now(),
  primary key (tenant, position)
);
comment on table deliveries is 'Every delivery of a known identity after its first; the first one is the request itself.';
create index deliveries_newest on deliveries (tenant, received_at desc);
create index deliveries_request on deliveries (tenant, request_id);

create table platform_deliveries (
  position text primary key,
  disposition text not null check (disposition = 'quarantined'),
  cause text not null,
  reasons jsonb not null,
  size_bytes int not null,
  received_at timestamptz not null default now()
);
comment on table platform_deliveries is 'Deliveries that belong to no tenant: undecodable, or from a source not bound to the tenant they name.';

create table runs (
  tenant text not null,
  run_id uuid not null,
  org text not null,
  request_id uuid not null,
  source text not null,
  event_id text not null,
  definition_id text not null,
  definition_version text not null,
  definition_digest text not null,
  profile_id text not null,
  profile_version text not null,
  profile_digest text not null,
  rule_id text,
  method text not null,
  work_kind text not null,
  cadence_id text not null,
  "references" jsonb not null,
  requested jsonb not null,
  status text not null check (status in ('QUEUED', 'ADMITTED', 'PREPARING', 'RUNNING', 'EVALUATING', 'SEALING', 'COMPLETED', 'FAILED', 'CANCELLED', 'TIMED_OUT')),
  reason text not null default '',
  desired_state text not null default 'RUN' check (desired_state in ('RUN', 'CANCEL')),
  priority smallint not null default 3,
  generation int not null default 1,
  execution_run_id text,
  correlation_id text,
  traceparent text,
  tracestate text,
  deadline_at timestamptz not null,
  day date not null,
  claimed_until timestamptz,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  begun_at timestamptz,
  ended_at timestamptz,
  primary key (tenant, run_id)
);
comment on column runs."references" is 'automation.v1.References as proto JSON';
comment on column runs.requested is 'automation.v1.RunRequested as proto JSON';
comment on column runs.execution_run_id is 'first execution run id of the one Temporal execution that BeginRun admitted for this generation';
comment on column runs.day is 'partition key of the run''s events';
comment on column runs.claimed_until is 'a release loop is starting it until then; database time';
create index runs_to_release on runs (priority, created_at) where status = 'ADMITTED' and started_at is null;
create index runs_unbegun on runs (started_at) where status = 'ADMITTED' and started_at is not null;
create index runs_claimed on runs (claimed_until) where status = 'ADMITTED' and started_at is null and claimed_until is not null;
create index runs_newest on runs (tenant, created_at desc, run_id);
create index runs_by_status on runs (tenant, status, created_at desc);
create index runs_by_profile on runs (tenant, profile_id, created_at desc);

create table run_references (
  tenant text not null,
  run_id uuid not null,
  kind text not null,
  id text not null,
  primary key (tenant, kind, id, run_id)
);
comment on table run_references is 'Index over runs."references", parents included, so that a query by a parent finds what it holds.';

create table run_streams (
  tenant text not null,
  run_id uuid not null,
  last_sequence bigint not null,
  last_hash text not null,
  published_sequence bigint not null default 0,
  closed boolean not null default false,
  primary key (tenant, run_id)
);
comment on table run_streams is 'Its row is locked first by every transaction that appends: sequence order is commit order.';

create table run_events (
  tenant text not null,
  run_id uuid not null,
  day date not null,
  sequence bigint not null,
  writer_key text not null,
  at timestamptz not null,
  hash text not null,
  event jsonb not null,
  primary key (day, tenant, run_id, sequence),
  unique (day, tenant, run_id, writer_key)
) partition by range (day);
comment on column run_events.hash is 'sha256 of the RFC 8785 JSON of event';

-- Makes the daily partitions from yesterday to 7 days ahead; safe to call at any time, from any process that may.
create function ensure_run_event_partitions() returns int language plpgsql security definer set search_path = public as $$
declare
  made int := 0;
  start_day date;
begin
  perform pg_advisory_xact_lock(hashtext('ensure_run_event_partitions'));
  for start_day in select (now() at time zone 'utc')::date + i from generate_series(-1, 7) as i loop
    if to_regclass(format('run_events_%s', to_char(start_day, 'YYYYMMDD'))) is null then
      execute format('create table run_events_%s partition of run_events for values from (%L) to (%L)',
        to_char(start_day, 'YYYYMMDD'), start_day, start_day + 1);
      made := made + 1;
    end if;
  end loop;
  return made;
end $$;
revoke all on function ensure_run_event_partitions() from public;
grant execute on function ensure_run_event_partitions() to automation_dispatcher;
select ensure_run_event_partitions();

create table run_commands (
  tenant text not null,
  command_id uuid not null,
  run_id uuid not null,
  generation int not null,
  kind text not null check (kind in ('cancel')),
  principal text not null,
  reason text not null,
  created_at timestamptz not null default now(),
  delivered_at timestamptz,
  attempts int not null default 0,
  next_attempt_at timestamptz not null default now(),
  primary key (tenant, command_id)
);
create index run_commands_due on run_commands (next_attempt_at) where delivered_at is null;

create table outbox (
  id bigint generated always as identity primary key,
  lane smallint not null,
  kind text not null check (kind in ('run_events', 'record')),
  tenant text,
  run_id uuid,
  through_sequence bigint,
  topic text not null,
  key text not null,
  headers jsonb,
  body bytea check (length(body) <= 1048576),
  created_at timestamptz not null default now()
);
comment on table outbox is 'run_events points at (run, through_sequence); record carries headers and body. A row is deleted once the bus has it.';
create index outbox_by_lane on outbox (lane, id);

create table relay_lanes (
  lane smallint primary key,
  owner text,
  epoch bigint not null default 0,
  leased_until timestamptz not null default '-infinity'
);
comment on table relay_lanes is 'Which relay publishes a lane, by lease in database time.';
insert into relay_lanes (lane) select generate_series(0, 3);

select protect_tenant_table(t::regclass)
from unnest(array['event_identities', 'run_requests', 'deliveries', 'runs', 'run_references', 'run_streams', 'run_events', 'run_commands', 'outbox']) as t;
select open_tenant_table(t::regclass, 'automation_dispatcher')
from unnest(array['event_identities', 'run_requests', 'deliveries', 'runs', 'run_references', 'run_streams', 'run_events', 'run_commands', 'outbox']) as t;
select open_tenant_table(t::regclass, 'automation_relay')
from unnest(array['runs', 'run_streams', 'run_events', 'outbox']) as t;

grant select, insert on event_identities, run_requests, deliveries, run_references, run_events, run_commands to automation_api;
grant select, insert, update on runs, run_streams to automation_api;
grant insert on outbox to automation_api;
grant select, insert on event_identities, run_requests, deliveries, platform_deliveries, run_references to automation_dispatcher;
grant select, insert, update on runs to automation_dispatcher;
grant insert on run_streams, run_events, outbox to automation_dispatcher;
grant select, update on run_commands to automation_dispatcher;
grant select, delete on outbox to automation_relay;
grant select, update on run_streams, relay_lanes to automation_relay;
grant select on run_events to automation_relay;
grant select (tenant, run_id, day) on runs to automation_relay;
