-- Up Migration

alter table run_requests add column rules_tried jsonb not null default '[]';
comment on column run_requests.rules_tried is 'workflows_runtime.v1.RuleTried as proto JSON, in the order in which they were tried';
grant insert (rules_tried) on run_requests to automation_api, automation_dispatcher;
