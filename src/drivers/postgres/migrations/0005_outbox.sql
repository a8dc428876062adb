-- Up Migration

create table outbox (
  id bigint generated always as identity primary key,
  lane smallint not null,
  kind text not null check (kind in ('run_events', 'record')),
  tenant text,
  run_id uuid,
  through_sequence bigint,
  topic text not null,
  key text,
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

select protect_tenant_table('outbox'), open_tenant_table('outbox', 'automation_dispatcher'), open_tenant_table('outbox', 'automation_relay');

grant insert (lane, kind, tenant, run_id, through_sequence, topic, key, headers, body) on outbox to automation_api, automation_dispatcher;
grant select (id, lane, kind, tenant, run_id, through_sequence, topic, key, headers, body), delete on outbox to automation_relay;
grant select (lane, owner, epoch, leased_until), update (owner, epoch, leased_until) on relay_lanes to automation_relay;
