-- Up Migration

create table work_findings (
  tenant text not null,
  org text not null,
  run_id uuid not null,
  findings jsonb not null,
  created_at timestamptz not null default now(),
  primary key (tenant, run_id)
);
comment on table work_findings is 'What the api found about the work of a run, once, in the transaction that took its report: automation.v1.WorkFindings as proto JSON. Every end is decided on it.';

select protect_tenant_table('work_findings');

grant select, insert on work_findings to automation_api;
