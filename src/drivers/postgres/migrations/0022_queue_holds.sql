-- Up Migration

-- What a person keeps from starting.
create table queue_holds (
  tenant text not null,
  org text not null,
  scope text not null check (scope in ('rule', 'repository', 'all')),
  value text not null check ((scope = 'all') = (value = '')),
  reason text not null,
  held_by text not null,
  held_at timestamptz not null,
  primary key (tenant, org, scope, value)
);
comment on table queue_holds is 'Waiting runs of an org that no claim takes: those that a rule chose, those of a repository, or all.';
select protect_org_table('queue_holds');
select open_tenant_table('queue_holds', 'automation_dispatcher');

-- A hold that is gone brings back the lanes that it blocked.
create function note_released_hold() returns trigger language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  insert into queue_place_changes values (old.tenant, concat_ws('/', '!' || old.org, old.scope, nullif(old.value, '')), 0);
  return null;
end $$;
revoke all on function note_released_hold() from public;
create trigger hold_released after delete on queue_holds for each row execute function note_released_hold();
alter table queue_holds enable always trigger hold_released;

grant select, insert, delete on queue_holds to automation_api;
grant select on queue_holds to automation_dispatcher;
