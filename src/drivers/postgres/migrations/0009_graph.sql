-- Up Migration

create table elements (
  tenant text not null,
  org text not null,
  element_id uuid not null,
  type_key text not null,
  name text not null,
  created_at timestamptz not null default now(),
  primary key (tenant, org, element_id)
);

create table element_versions (
  tenant text not null,
  org text not null,
  element_id uuid not null,
  version int not null,
  run_id uuid not null,
  attachments jsonb not null,
  created_at timestamptz not null default now(),
  primary key (tenant, org, element_id, version),
  unique (tenant, org, element_id, run_id)
);
comment on column element_versions.attachments is 'graph.v1.Attachment as proto JSON';

create table element_relationships (
  tenant text not null,
  org text not null,
  element_id uuid not null,
  type_key text not null,
  target_kind text not null,
  target_id text not null,
  target jsonb not null,
  primary key (tenant, org, element_id, type_key, target_kind, target_id)
);
comment on column element_relationships.target is 'automation.v1.Ref as proto JSON';
create index element_relationships_by_target on element_relationships (tenant, target_kind, target_id);

select protect_org_table(t::regclass) from unnest(array['elements', 'element_versions', 'element_relationships']) as t;
select fix_columns('elements', 'tenant, org, element_id, type_key, created_at');
select append_only(t::regclass) from unnest(array['element_versions', 'element_relationships']) as t;

grant select on elements, element_versions, element_relationships to automation_api;
grant insert (tenant, org, element_id, type_key, name, created_at), update (name) on elements to automation_api;
grant insert (tenant, org, element_id, version, run_id, attachments, created_at) on element_versions to automation_api;
grant insert (tenant, org, element_id, type_key, target_kind, target_id, target) on element_relationships to automation_api;
