-- Up Migration

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

alter table runs add column pins jsonb, add column base_commit text;
comment on column runs.pins is 'automation.v1.RunPins as proto JSON; null for a plan without steps';
comment on column runs.base_commit is 'what the ref was resolved to, once';

alter table run_streams add column fence int not null default 0;
comment on column run_streams.fence is 'highest attempt of the work that was heard: lower ones are refused';

alter table artifacts add column kind text not null default 'event_log';
alter table artifacts alter column kind drop default;

create table work_reports (
  tenant text not null,
  run_id uuid not null,
  attempt int not null,
  report jsonb not null,
  uploads jsonb not null,
  created_at timestamptz not null default now(),
  primary key (tenant, run_id)
);
comment on table work_reports is 'The first complete report of a run''s work: automation.v1.WorkReport and Upload[] as proto JSON. Its objects become artifacts when the run is sealed.';

select protect_tenant_table(t::regclass) from unnest(array['repositories', 'personas', 'work_reports']) as t;
select open_tenant_table(t::regclass, 'automation_dispatcher') from unnest(array['repositories', 'personas']) as t;

grant select, insert, update on repositories to automation_api;
grant select, insert on personas, work_reports to automation_api;
grant select on repositories, personas to automation_dispatcher;
