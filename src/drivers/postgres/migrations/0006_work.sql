-- Up Migration

create table work_reports (
  tenant text not null,
  org text not null,
  run_id uuid not null,
  generation int not null,
  segment int not null,
  attempt int not null,
  report jsonb not null,
  uploads jsonb not null,
  created_at timestamptz not null default now(),
  primary key (tenant, run_id, generation, segment)
);
comment on table work_reports is 'The first complete report of a segment of a run''s work: automation.v1.WorkReport and Upload[] as proto JSON. It stands for later generations, too. Its objects become artifacts when the run is sealed.';

create table work_findings (
  tenant text not null,
  org text not null,
  run_id uuid not null,
  generation int not null,
  segment int not null,
  findings jsonb not null,
  created_at timestamptz not null default now(),
  primary key (tenant, run_id, generation, segment)
);
comment on table work_findings is 'What the api found about a segment of a run''s work, once, in the transaction that took its report: automation.v1.WorkFindings as proto JSON. Every end is decided on it.';

create table artifacts (
  tenant text not null,
  org text not null,
  artifact_id uuid not null,
  run_id uuid not null,
  kind text not null,
  name text not null,
  media_type text not null,
  sha256 text not null,
  size_bytes bigint not null,
  object_key text not null,
  created_at timestamptz not null default now(),
  primary key (tenant, artifact_id)
);
create index artifacts_by_run on artifacts (tenant, run_id);

select protect_org_table(t::regclass), append_only(t::regclass) from unnest(array['work_reports', 'work_findings', 'artifacts']) as t;

grant select on work_reports, work_findings, artifacts to automation_api;
grant insert (tenant, org, run_id, generation, segment, attempt, report, uploads) on work_reports to automation_api;
grant insert (tenant, org, run_id, generation, segment, findings) on work_findings to automation_api;
grant insert (tenant, org, artifact_id, run_id, name, kind, media_type, sha256, size_bytes, object_key, created_at) on artifacts to automation_api;
