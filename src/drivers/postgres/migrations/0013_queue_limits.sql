-- Up Migration

alter table run_queue add column rule_id text;
comment on column run_queue.rule_id is 'the rule that has the limits of keys; null without limits';
comment on column run_queue.keys is 'what the run counts under, as limit/scope/value; empty without limits, and for a later generation, which keeps its places';

drop index run_queue_waiting;
create index run_queue_unlimited on run_queue (priority, queued_at) where started_at is null and keys = '{}';
create index run_queue_limited on run_queue (tenant, rule_id, keys, priority, queued_at) where started_at is null and keys <> '{}';

create table queue_places (
  tenant text not null,
  org text not null,
  run_id uuid not null,
  key text not null,
  primary key (tenant, key, run_id)
);
comment on table queue_places is 'Places under limits, one row a run and key. Taken by the claim that starts a run, given back with that claim or by the end of the run. They are counted, so no number can be wrong.';
create index queue_places_of_run on queue_places (tenant, run_id);

select protect_org_table('queue_places'), open_tenant_table('queue_places', 'automation_dispatcher');

-- Every end of a run frees its places in the same transaction, whoever writes it.
create function free_queue_places() returns trigger language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  delete from queue_places where tenant = new.tenant and run_id = new.run_id;
  return null;
end $$;
revoke all on function free_queue_places() from public;
create trigger frees_places after update of status on runs for each row
  when (old.status <> new.status and new.status in ('COMPLETED', 'FAILED', 'CANCELLED', 'TIMED_OUT')) execute function free_queue_places();

create trigger rule_fixed before update of rule_id on run_queue for each row execute function refuse_write('rule_id never changes');
grant select on queue_places to automation_api;
grant insert (keys, rule_id) on run_queue to automation_api, automation_dispatcher;
grant select (org, keys, rule_id) on run_queue to automation_dispatcher;
grant select (tenant, run_id, key), insert (tenant, org, run_id, key), delete on queue_places to automation_dispatcher;
