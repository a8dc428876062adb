-- Up Migration

-- The same for runs that the queue treats alike.
create function queue_lane(org text, priority smallint, rule_id text, repository text, fairness_key text, keys text[]) returns uuid
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
begin
  return md5(jsonb_build_array(org, priority, rule_id, repository, fairness_key, keys)::text)::uuid;
end $$;
revoke all on function queue_lane(text, smallint, text, text, text, text[]) from public;
grant execute on function queue_lane(text, smallint, text, text, text, text[]) to automation_api, automation_dispatcher;

alter table run_queue add column repository text, add column fairness_key text not null default '';
alter table run_queue add column lane uuid not null generated always as (queue_lane(org, priority, rule_id, repository, fairness_key, keys)) stored;
comment on column run_queue.rule_id is 'the rule that chose the run; null without one, and for a later generation';
comment on column run_queue.repository is 'the repository that the run works on; null without one, and for a later generation';
comment on column run_queue.fairness_key is 'runs of a tenant that share it take turns as one';
comment on column run_queue.not_before is 'after a refused start; -infinity otherwise';
create trigger lane_fixed before update of repository, fairness_key on run_queue for each row execute function refuse_write('repository, fairness_key never change');

drop index run_queue_unlimited;
drop index run_queue_limited;
create index run_queue_lanes on run_queue (tenant, lane, queued_at, run_id) where started_at is null and claimed_until is null and not_before = '-infinity';
create index run_queue_postponed on run_queue (not_before) where not_before > '-infinity';

create table queue_lanes (
  tenant text not null,
  lane uuid not null,
  org text not null,
  priority smallint not null,
  rule_id text,
  repository text,
  fairness_key text not null,
  keys text[] not null,
  waiting bigint not null,
  oldest_at timestamptz,
  blocked_by text,
  look_at timestamptz not null default '-infinity',
  turn float8 not null default 0,
  own_turn float8 not null default 0,
  primary key (tenant, lane)
);
comment on table queue_lanes is 'Waiting runs that are treated alike, oldest first. Only the claim writes it.';
comment on column queue_lanes.blocked_by is 'the key under which no place was free at the last look; a place that is freed under it brings the lane back';
comment on column queue_lanes.look_at is 'when the claim looks at the lane again: -infinity, at once; infinity, when it is brought back';
comment on column queue_lanes.turn is 'not later than the turn of its tenant: it is put right when the lane is read, so that a start changes no other lanes';
comment on column queue_lanes.own_turn is 'not later than the turn of its fairness key';
create index queue_lanes_ready on queue_lanes (priority, turn, own_turn, oldest_at) where look_at = '-infinity';
create index queue_lanes_oldest on queue_lanes (oldest_at) where look_at = '-infinity';
create index queue_lanes_later on queue_lanes (look_at) where look_at > '-infinity' and look_at < 'infinity';
create index queue_lanes_blocked on queue_lanes (tenant, blocked_by, priority, oldest_at) where blocked_by is not null;
create index queue_lanes_empty on queue_lanes (waiting) where waiting = 0;

create table queue_lane_changes (
  tenant text not null,
  lane uuid not null,
  org text not null,
  priority smallint not null,
  rule_id text,
  repository text,
  fairness_key text not null,
  keys text[] not null,
  change int not null
);
comment on table queue_lane_changes is 'Runs that began or ceased to wait since the last claim, which adds them to queue_lanes and deletes them here.';

create table queue_counts (
  tenant text not null,
  key text not null,
  taken bigint not null,
  primary key (tenant, key)
);
comment on table queue_counts is 'Rows of queue_places by key. Only the claim writes it.';
create index queue_counts_empty on queue_counts (taken) where taken = 0;

create table queue_place_changes (
  tenant text not null,
  key text not null,
  change int not null
);
comment on table queue_place_changes is 'Places that were taken and freed since the last claim, which adds them to queue_counts and deletes them here. Key *: numbers of the tenant changed, and all its lanes are looked at.';

create table queue_turns (
  tenant text not null,
  flow text not null,
  turn float8 not null,
  clock float8 not null,
  primary key (tenant, flow)
);
comment on table queue_turns is 'Whose turn it is: flow '''' is the tenant among tenants, =KEY is a fairness key within the tenant, and tenant '''' has the clock of all.';
comment on column queue_turns.turn is 'virtual time from which the flow may have its next start: the start before, and one divided by its weight';
comment on column queue_turns.clock is 'virtual time of the last start within; who comes later begins from here';

select protect_org_table(t::regclass) from unnest(array['queue_lanes', 'queue_lane_changes']) as t;
select protect_tenant_table(t::regclass) from unnest(array['queue_counts', 'queue_place_changes', 'queue_turns']) as t;
select open_tenant_table(t::regclass, 'automation_dispatcher')
from unnest(array['queue_lanes', 'queue_lane_changes', 'queue_counts', 'queue_place_changes', 'queue_turns']) as t;

-- Whoever changes what waits appends what changed: nobody waits for a counter, and no path can forget it.
create function note_queued_runs() returns trigger language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  insert into queue_lane_changes select tenant, lane, org, priority, rule_id, repository, fairness_key, keys, count(*) from added
  where started_at is null and claimed_until is null and not_before = '-infinity' group by 1, 2, 3, 4, 5, 6, 7, 8;
  return null;
end $$;
create function note_queue_change() returns trigger language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  insert into queue_lane_changes values (old.tenant, old.lane, old.org, old.priority, old.rule_id, old.repository, old.fairness_key, old.keys, tg_argv[0]::int);
  return null;
end $$;
create function note_taken_places() returns trigger language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  insert into queue_place_changes select tenant, key, count(*) from added group by 1, 2;
  return null;
end $$;
create function note_freed_place() returns trigger language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  insert into queue_place_changes values (old.tenant, old.key, -1);
  return null;
end $$;
create function note_changed_rule() returns trigger language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  insert into queue_place_changes values (coalesce(new.tenant, old.tenant), '*', 0);
  return null;
end $$;
revoke all on function note_queued_runs(), note_queue_change(), note_taken_places(), note_freed_place(), note_changed_rule() from public;

create trigger runs_wait after insert on run_queue referencing new table as added for each statement execute function note_queued_runs();
create trigger waits_no_more after update on run_queue for each row
  when (old.started_at is null and old.claimed_until is null and old.not_before = '-infinity' and not (new.started_at is null and new.claimed_until is null and new.not_before = '-infinity'))
  execute function note_queue_change('-1');
create trigger waits_again after update on run_queue for each row
  when (new.started_at is null and new.claimed_until is null and new.not_before = '-infinity' and not (old.started_at is null and old.claimed_until is null and old.not_before = '-infinity'))
  execute function note_queue_change('1');
create trigger left_while_waiting after delete on run_queue for each row
  when (old.started_at is null and old.claimed_until is null and old.not_before = '-infinity') execute function note_queue_change('-1');
create trigger places_taken after insert on queue_places referencing new table as added for each statement execute function note_taken_places();
create trigger place_freed after delete on queue_places for each row execute function note_freed_place();
create trigger numbers_changed after insert or update or delete on workflow_rules for each row execute function note_changed_rule();
-- Also in a session that fires no triggers: the numbers always follow the rows.
alter table run_queue enable always trigger runs_wait, enable always trigger waits_no_more, enable always trigger waits_again, enable always trigger left_while_waiting;
alter table queue_places enable always trigger places_taken, enable always trigger place_freed;
alter table workflow_rules enable always trigger numbers_changed;

insert into queue_lane_changes select tenant, lane, org, priority, rule_id, repository, fairness_key, keys, count(*) from run_queue
where started_at is null and claimed_until is null and not_before = '-infinity' group by 1, 2, 3, 4, 5, 6, 7, 8;
insert into queue_place_changes select tenant, key, count(*) from queue_places group by 1, 2;

grant select on queue_lanes to automation_api;
grant insert (repository, fairness_key) on run_queue to automation_api, automation_dispatcher;
grant select (lane, fairness_key) on run_queue to automation_dispatcher;
grant select, insert, update, delete on queue_lanes, queue_counts, queue_turns to automation_dispatcher;
grant select, delete on queue_lane_changes, queue_place_changes to automation_dispatcher;
grant insert (tenant, key, change) on queue_place_changes to automation_dispatcher;
