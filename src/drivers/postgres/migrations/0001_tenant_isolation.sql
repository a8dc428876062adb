-- Up Migration

-- The tenant that the current transaction speaks for. Raises instead of matching nothing: a missing tenant is a bug, never an empty answer.
create function current_tenant() returns text language plpgsql stable as $$
declare
  tenant text := current_setting('app.tenant_id', true);
begin
  if tenant is null or tenant = '' then
    raise exception 'no tenant is bound to this transaction' using errcode = 'insufficient_privilege';
  end if;
  return tenant;
end $$;

-- The org that the current transaction speaks for. '*' stands for every org of the tenant, for reading. Raises as current_tenant() does.
create function current_org() returns text language plpgsql stable as $$
declare
  org text := current_setting('app.org_id', true);
begin
  if org is null or org = '' then
    raise exception 'no org is bound to this transaction' using errcode = 'insufficient_privilege';
  end if;
  return org;
end $$;

-- Row-level security for a table of what a tenant declares: the api is bound to its tenant, the owner is free, for backfills.
create function protect_tenant_table(name regclass) returns void language plpgsql as $$
begin
  execute format('alter table %s enable row level security', name);
  execute format('alter table %s force row level security', name);
  execute format('create policy api on %s to automation_api using (tenant = current_tenant()) with check (tenant = current_tenant())', name);
  execute format('create policy owner on %s to automation_migrate using (true) with check (true)', name);
end $$;

-- The same for a table of what requests and runs make: it belongs to (tenant, org). Under org '*' the api reads every row of the tenant and writes none.
create function protect_org_table(name regclass) returns void language plpgsql as $$
begin
  perform protect_tenant_table(name);
  execute format('alter table %s alter column org set default current_org()', name);
  execute format('alter policy api on %s
    using (tenant = current_tenant() and (select current_org()) in (org, ''*''))
    with check (tenant = current_tenant() and org = (select current_org()) and org <> ''*'')', name);
end $$;

-- A process that works for all tenants gets a policy of its own on the tables it needs; its grants say which columns.
create function open_tenant_table(name regclass, role text) returns void language plpgsql as $$
begin
  execute format('create policy %I on %s to %I using (true) with check (true)', role, name, role);
end $$;

-- Guards by trigger hold for the owner of the tables too. Whoever must get past one disables the trigger first, which leaves a trace.
create function refuse_write() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception '% of % is refused: %', tg_op, tg_table_name, tg_argv[0] using errcode = 'insufficient_privilege';
end $$;

-- These columns keep the value they were inserted with.
create function fix_columns(name regclass, columns text) returns void language plpgsql as $$
begin
  execute format('create trigger fixed before update of %s on %s for each row execute function refuse_write(%L)', columns, name, columns || ' never change');
end $$;

-- Rows are inserted and never changed.
create function append_only(name regclass) returns void language plpgsql as $$
begin
  execute format('create trigger append_only before update or delete on %s for each row execute function refuse_write(''it only grows'')', name);
  execute format('create trigger never_emptied before truncate on %s execute function refuse_write(''it only grows'')', name);
end $$;

create function never_deleted(name regclass) returns void language plpgsql as $$
begin
  execute format('create trigger never_deleted before delete on %s for each row execute function refuse_write(''its rows stay'')', name);
  execute format('create trigger never_emptied before truncate on %s execute function refuse_write(''its rows stay'')', name);
end $$;

revoke all on function protect_tenant_table(regclass), protect_org_table(regclass), open_tenant_table(regclass, text),
  refuse_write(), fix_columns(regclass, text), append_only(regclass), never_deleted(regclass) from public;

-- Grants name columns: a process reads and writes what its statements name. The api reads whole rows of what it serves, and writes by column.

create table audit_log (
  tenant text not null,
  audit_id bigint generated always as identity,
  org text not null,
  principal text not null,
  action text not null,
  outcome text not null,
  correlation_id text not null,
  at timestamptz not null default now(),
  primary key (tenant, audit_id)
);
select protect_tenant_table('audit_log');
select append_only('audit_log');
grant insert (tenant, org, principal, action, outcome, correlation_id) on audit_log to automation_api;
