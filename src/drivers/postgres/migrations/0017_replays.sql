-- Up Migration

comment on column run_requests.decision is '0 for the first; each replay with another result counts on, in a row of its own';
create unique index run_requests_replayed_once on run_requests (tenant, source, event_id) where decision > 0 and run_id is not null;
grant insert (decision) on run_requests to automation_api;
-- A delivery of an event that got its run by a replay is told that run.
grant select (tenant, source, event_id, run_id) on run_requests to automation_dispatcher;
