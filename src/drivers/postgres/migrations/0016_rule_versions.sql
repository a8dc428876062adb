-- Up Migration

alter table workflow_rules add column version int not null default 1, add column retired boolean not null default false;
comment on column workflow_rules.retired is 'matches no request; it stays, because runs wait under its limits';

create table workflow_rule_versions (
  tenant text not null,
  rule_id text not null,
  version int not null,
  rule jsonb not null,
  retired boolean not null,
  changed_by text not null,
  changed_at timestamptz(3) not null default now(),
  primary key (tenant, rule_id, version)
);
comment on table workflow_rule_versions is 'Every rule after each of its changes; the newest version is the row of workflow_rules.';
insert into workflow_rule_versions (tenant, rule_id, version, rule, retired, changed_by, changed_at)
  select tenant, rule_id, version, rule, retired, updated_by, updated_at from workflow_rules;

select protect_tenant_table('workflow_rule_versions'), append_only('workflow_rule_versions');

alter table runs add column rule_version int;
comment on column runs.rule_version is 'version of the rule that chose the definition; null when none did';
create trigger rule_version_fixed before update of rule_version on runs for each row execute function refuse_write('rule_version never changes');

grant insert (version), update (version, retired) on workflow_rules to automation_api;
grant select on workflow_rule_versions to automation_api;
grant insert (tenant, rule_id, version, rule, retired, changed_by) on workflow_rule_versions to automation_api;
grant select (version, retired) on workflow_rules to automation_dispatcher;
grant insert (rule_version) on runs to automation_api, automation_dispatcher;
