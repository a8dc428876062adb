-- Up Migration

alter table runs alter column deadline_at drop not null;
alter table runs
  add column queue_limit_seconds int not null default 86400,
  add column work_limit_seconds int not null default 3600,
  add column handoff_limit_seconds int not null default 259200,
  add column work_begun_at timestamptz,
  add column sealing_at timestamptz,
  add column due_at timestamptz,
  add column waiting jsonb;
update runs set due_at = deadline_at where ended_at is null;
comment on column runs.deadline_at is 'the event''s own; null when it has none';
comment on column runs.work_begun_at is 'the work''s limit counts from here: a worker took it up, or, for a plan without steps, its workflow began';
comment on column runs.sealing_at is 'the hand-off''s limit counts from here';
comment on column runs.due_at is 'when the limit of time that runs now has passed (src/runs/time-limits.ts); null after the end';
comment on column runs.waiting is 'automation.v1.WorkWaiting as proto JSON: what the work waits for';
create index runs_due on runs (due_at) where due_at is not null;

grant select (queue_limit_seconds, work_limit_seconds, handoff_limit_seconds, work_begun_at, sealing_at, due_at, waiting),
  insert (queue_limit_seconds, work_limit_seconds, handoff_limit_seconds, due_at),
  update (work_begun_at, sealing_at, due_at, waiting) on runs to automation_api;
grant select (queue_limit_seconds, work_limit_seconds, handoff_limit_seconds, work_begun_at, sealing_at, due_at),
  insert (queue_limit_seconds, work_limit_seconds, handoff_limit_seconds, due_at) on runs to automation_dispatcher;
