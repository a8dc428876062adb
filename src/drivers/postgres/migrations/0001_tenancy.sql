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

-- Row-level security for one tenant table: forced, the api bound to its tenant, the migrating owner free for backfills.
create function protect_tenant_table(name regclass) returns void language plpgsql as $$
begin
  execute format('alter table %s enable row level security', name);
  execute format('alter table %s force row level security', name);
  execute format('create policy api on %s to automation_api using (tenant = current_tenant()) with check (tenant = current_tenant())', name);
  execute format('create policy owner on %s to automation_migrate using (true) with check (true)', name);
end $$;

-- A process that works across tenants gets a named policy on just the tables it needs; its grants say which verbs.
create function open_tenant_table(name regclass, role text) returns void language plpgsql as $$
begin
  execute format('create policy %I on %s to %I using (true) with check (true)', role, name, role);
end $$;

create table declaration_revisions (
  tenant text primary key,
  revision bigint not null default 1
);
comment on table declaration_revisions is 'Moves with every change of what a tenant declares: caches compare it and are exact.';

create table workflow_definitions (
  tenant text not null,
  definition_id text not null,
  title text not null default '',
  channels jsonb not null default '{}',
  created_at timestamptz not null default now(),
  primary key (tenant, definition_id)
);
comment on column workflow_definitions.channels is 'channel name → version';

create table workflow_versions (
  tenant text not null,
  definition_id text not null,
  version text not null,
  plan jsonb not null,
  digest text not null,
  published_by text not null,
  created_at timestamptz not null default now(),
  primary key (tenant, definition_id, version)
);
comment on column workflow_versions.plan is 'automation.v1.AutomationPlan as proto JSON; digest is sha256 of its RFC 8785 form';

create table workflow_rules (
  tenant text not null,
  rule_id text not null,
  priority int not null,
  rule jsonb not null,
  updated_by text not null,
  updated_at timestamptz not null default now(),
  primary key (tenant, rule_id)
);
comment on column workflow_rules.rule is 'workflows_runtime.v1.WorkflowRule as proto JSON';

create table methodology_profiles (
  tenant text not null,
  profile_id text not null,
  version text not null,
  profile jsonb not null,
  digest text not null,
  published_by text not null,
  created_at timestamptz not null default now(),
  ordinal bigint generated always as identity,
  primary key (tenant, profile_id, version)
);
comment on column methodology_profiles.profile is 'governance.v1.Profile as proto JSON; digest is sha256 of its RFC 8785 form';
comment on column methodology_profiles.ordinal is 'order of publication: the newest version is the greatest';

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

select protect_tenant_table(t::regclass)
from unnest(array['declaration_revisions', 'workflow_definitions', 'workflow_versions', 'workflow_rules', 'methodology_profiles', 'audit_log']) as t;
select open_tenant_table(t::regclass, 'automation_dispatcher')
from unnest(array['declaration_revisions', 'workflow_definitions', 'workflow_versions', 'workflow_rules', 'methodology_profiles']) as t;

grant select, insert, update on declaration_revisions, workflow_definitions, workflow_rules to automation_api;
grant select, insert on workflow_versions, methodology_profiles, audit_log to automation_api;
grant select on declaration_revisions, workflow_definitions, workflow_versions, workflow_rules, methodology_profiles to automation_dispatcher;
