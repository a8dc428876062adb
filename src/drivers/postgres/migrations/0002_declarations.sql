-- Up Migration

-- What people declare. It belongs to the tenant, whatever the org.

create table declaration_revisions (
  tenant text primary key,
  revision bigint not null default 1
);
comment on table declaration_revisions is 'Changes with every change of what a tenant declares: caches compare it, so they are exact.';

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

create table repositories (
  tenant text not null,
  repository_id text not null,
  repository jsonb not null,
  updated_by text not null,
  updated_at timestamptz not null default now(),
  primary key (tenant, repository_id)
);
comment on column repositories.repository is 'workflows_runtime.v1.Repository as proto JSON';

create table personas (
  tenant text not null,
  persona_id text not null,
  version text not null,
  digest text not null,
  size_bytes bigint not null,
  manifest jsonb not null,
  object_key text not null,
  published_by text not null,
  created_at timestamptz(3) not null default now(),
  ordinal bigint generated always as identity,
  primary key (tenant, persona_id, version)
);
comment on column personas.manifest is 'agents.v1.PersonaManifest as proto JSON; digest is sha256 of the bundle''s canonical tar';
comment on column personas.ordinal is 'order of publication: the newest version is the greatest';

select protect_tenant_table(t::regclass), open_tenant_table(t::regclass, 'automation_dispatcher')
from unnest(array['declaration_revisions', 'workflow_definitions', 'workflow_versions', 'workflow_rules', 'methodology_profiles', 'repositories', 'personas']) as t;
select append_only(t::regclass) from unnest(array['workflow_versions', 'methodology_profiles', 'personas']) as t;

grant select on declaration_revisions, workflow_definitions, workflow_versions, workflow_rules, methodology_profiles, repositories, personas to automation_api;
grant insert (tenant), update (revision) on declaration_revisions to automation_api;
grant insert (tenant, definition_id, title, channels), update (title, channels) on workflow_definitions to automation_api;
grant insert (tenant, definition_id, version, plan, digest, published_by) on workflow_versions to automation_api;
grant insert (tenant, rule_id, priority, rule, updated_by), update (priority, rule, updated_by, updated_at) on workflow_rules to automation_api;
grant insert (tenant, profile_id, version, profile, digest, published_by) on methodology_profiles to automation_api;
grant insert (tenant, repository_id, repository, updated_by), update (repository, updated_by, updated_at) on repositories to automation_api;
grant insert (tenant, persona_id, version, digest, size_bytes, manifest, object_key, published_by) on personas to automation_api;

grant select (tenant, revision) on declaration_revisions to automation_dispatcher;
grant select (tenant, definition_id, channels) on workflow_definitions to automation_dispatcher;
grant select (tenant, definition_id, version, plan, digest) on workflow_versions to automation_dispatcher;
grant select (tenant, rule_id, priority, rule) on workflow_rules to automation_dispatcher;
grant select (tenant, profile_id, version, profile, digest, ordinal) on methodology_profiles to automation_dispatcher;
grant select (tenant, repository_id, repository) on repositories to automation_dispatcher;
grant select (tenant, persona_id, version, digest, size_bytes, manifest, object_key, published_by, created_at, ordinal) on personas to automation_dispatcher;
