-- Up Migration

alter table runs add column cancel jsonb, add column attempt jsonb;
comment on column runs.cancel is 'workflows_runtime.v1.CancelRequested as proto JSON: who asked first, and why';
comment on column runs.attempt is 'workflows_runtime.v1.WorkAttempt as proto JSON: the try of the work that was taken up last';
grant update (cancel, attempt) on runs to automation_api;

alter table runs add column shown jsonb;
comment on column runs.shown is 'what Temporal''s pages are told of the request: {goal, personas}; the dispatcher reads no more of it';
grant insert (shown) on runs to automation_api, automation_dispatcher;
grant select (shown) on runs to automation_dispatcher;
