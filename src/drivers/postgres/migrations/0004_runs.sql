-- Up Migration

create table runs (
  tenant text not null,
  run_id uuid not null,
  org text not null,
  request_id uuid not null,
  source text not null,
  event_id text not null,
  definition_id text not null,
  definition_version text not null,
  definition_digest text not null,
  profile_id text not null,
  profile_version text not null,
  profile_digest text not null,
  rule_id text,
  method text not null,
  work_kind text not null,
  cadence_id text not null,
  "references" jsonb not null,
  requested jsonb not null,
  pins jsonb,
  shown jsonb,
  status text not null check (status in ('QUEUED', 'ADMITTED', 'PREPARING', 'RUNNING', 'EVALUATING', 'SEALING', 'COMPLETED', 'FAILED', 'CANCELLED', 'TIMED_OUT')),
  reason text not null default '',
  desired_state text not null default 'RUN' check (desired_state in ('RUN', 'CANCEL')),
  cancel jsonb,
  priority smallint not null default 3,
  generation int not null default 1,
  start_capability text not null default replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''),
  execution_run_id text,
  attempt jsonb,
  waiting jsonb,
  base_commit text,
  correlation_id text,
  traceparent text,
  tracestate text,
  queue_limit_seconds int not null default 86400,
  work_limit_seconds int not null default 3600,
  handoff_limit_seconds int not null default 259200,
  deadline_at timestamptz,
  due_at timestamptz,
  day date not null,
  created_at timestamptz not null default now(),
  admitted_at timestamptz,
  begun_at timestamptz,
  work_begun_at timestamptz,
  sealing_at timestamptz,
  ended_at timestamptz,
  examined_at timestamptz not null default now(),
  primary key (tenant, run_id)
);
comment on column runs."references" is 'automation.v1.References as proto JSON';
comment on column runs.requested is 'automation.v1.RunRequested as proto JSON';
comment on column runs.pins is 'automation.v1.RunPins as proto JSON; null for a plan without steps';
comment on column runs.shown is 'what Temporal''s pages are told of the request: {goal, personas}; the dispatcher reads no more of it';
comment on column runs.cancel is 'workflows_runtime.v1.CancelRequested as proto JSON: who asked first, and why';
comment on column runs.generation is 'which Temporal execution may speak; a run whose execution is gone goes on with the next one';
comment on column runs.start_capability is 'secret of the current generation, 244 random bits: the dispatcher hands it to the workflow as input, the api compares it when the run begins';
comment on column runs.execution_run_id is 'first execution run id of the one Temporal execution that BeginRun admitted for this generation';
comment on column runs.attempt is 'workflows_runtime.v1.WorkAttempt as proto JSON: the try of the work that was taken up last';
comment on column runs.waiting is 'automation.v1.WorkWaiting as proto JSON: what the work waits for';
comment on column runs.base_commit is 'what the ref was resolved to, once';
comment on column runs.deadline_at is 'the event''s own; null when it has none';
comment on column runs.due_at is 'when the limit of time that runs at present is over (src/runs/time-limits.ts); null after the end';
comment on column runs.day is 'partition key of the run''s events';
comment on column runs.work_begun_at is 'the limit of the work counts from here: a worker took it up, or, for a plan without steps, its workflow began';
comment on column runs.sealing_at is 'the limit of the hand-off counts from here';
comment on column runs.examined_at is 'when the reconciler last asked after it; database time';
create index runs_newest on runs (tenant, created_at desc, run_id);
create index runs_by_status on runs (tenant, status, created_at desc);
create index runs_by_profile on runs (tenant, profile_id, created_at desc);
create index runs_to_examine on runs (examined_at) where status <> 'QUEUED' and ended_at is null;
create index runs_due on runs (due_at) where due_at is not null;

create table run_queue (
  tenant text not null,
  org text not null,
  run_id uuid not null,
  keys text[] not null default '{}',
  priority smallint not null,
  queued_at timestamptz not null,
  not_before timestamptz not null default '-infinity',
  claimed_until timestamptz,
  started_at timestamptz,
  primary key (tenant, run_id)
);
comment on table run_queue is 'Runs whose generation has not begun. Claims and starts are written here, so that the wide rows of runs stay as they are. BeginRun and the end of the run delete the row.';
comment on column run_queue.keys is 'what the run counts under, where limits are set';
comment on column run_queue.queued_at is 'when the run was accepted: of equal priority the oldest goes first';
comment on column run_queue.not_before is 'after a refused start';
comment on column run_queue.claimed_until is 'a dispatcher is starting its workflow until then; database time';
comment on column run_queue.started_at is 'when Temporal had its workflow; database time';
create index run_queue_waiting on run_queue (priority, queued_at) where started_at is null;
create index run_queue_places on run_queue (claimed_until) where claimed_until is not null;

create table run_references (
  tenant text not null,
  org text not null,
  run_id uuid not null,
  kind text not null,
  id text not null,
  primary key (tenant, kind, id, run_id)
);
comment on table run_references is 'Index over runs."references", parents included, so that a query by a parent finds what it holds.';

create table run_streams (
  tenant text not null,
  org text not null,
  run_id uuid not null,
  last_sequence bigint not null,
  last_hash text not null,
  size_bytes bigint not null default 0,
  published_sequence bigint not null default 0,
  fence int[] not null default '{0,0,0}',
  closed boolean not null default false,
  appended_at timestamptz not null default now(),
  primary key (tenant, run_id)
);
comment on table run_streams is 'Its row is locked first by every transaction that appends: sequence order is commit order.';
comment on column run_streams.size_bytes is 'bytes of the run''s log so far, as it is kept at the end: the RFC 8785 JSON of each event, and a line feed';
comment on column run_streams.fence is 'generation, segment and number of the highest attempt at the work that was heard: lower ones are refused';
comment on column run_streams.appended_at is 'when the run was last heard of; database time';

create table run_events (
  tenant text not null,
  org text not null,
  run_id uuid not null,
  day date not null,
  sequence bigint not null,
  writer_key text not null,
  at timestamptz not null,
  hash text not null,
  event jsonb not null,
  primary key (day, tenant, run_id, sequence),
  unique (day, tenant, run_id, writer_key)
) partition by range (day);
comment on column run_events.hash is 'sha256 of the RFC 8785 JSON of event';

-- Makes the daily partitions from yesterday to 7 days ahead. Safe to call at any time, by any process that may.
-- A function that speaks for the owner has a fixed search path: what the caller made in pg_temp is not found.
create function ensure_run_event_partitions() returns int language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  made int := 0;
  start_day date;
begin
  perform pg_advisory_xact_lock(hashtext('ensure_run_event_partitions'));
  for start_day in select (now() at time zone 'utc')::date + i from generate_series(-1, 7) as i loop
    if to_regclass(format('public.run_events_%s', to_char(start_day, 'YYYYMMDD'))) is null then
      execute format('create table public.run_events_%s partition of public.run_events for values from (%L) to (%L)',
        to_char(start_day, 'YYYYMMDD'), start_day, start_day + 1);
      made := made + 1;
    end if;
  end loop;
  return made;
end $$;
revoke all on function ensure_run_event_partitions() from public;
grant execute on function ensure_run_event_partitions() to automation_dispatcher;
select ensure_run_event_partitions();

create table run_commands (
  tenant text not null,
  org text not null,
  command_id uuid not null,
  run_id uuid not null,
  generation int not null,
  kind text not null check (kind in ('cancel')),
  principal text not null,
  reason text not null,
  created_at timestamptz not null default now(),
  delivered_at timestamptz,
  attempts int not null default 0,
  next_attempt_at timestamptz not null default now(),
  primary key (tenant, command_id)
);
create index run_commands_due on run_commands (next_attempt_at) where delivered_at is null;

select protect_org_table(t::regclass), open_tenant_table(t::regclass, 'automation_dispatcher')
from unnest(array['runs', 'run_queue', 'run_references', 'run_streams', 'run_events', 'run_commands']) as t;
-- The dispatcher tells that a run is queued and that it is admitted, and nothing else.
alter policy automation_dispatcher on run_events with check (event->'status'->>'status' in ('RUN_STATUS_QUEUED', 'RUN_STATUS_ADMITTED'));
alter policy automation_dispatcher on run_streams with check (not closed);
select open_tenant_table(t::regclass, 'automation_relay') from unnest(array['runs', 'run_streams', 'run_events']) as t;

-- The status of a run, as src/runs/run-status.ts writes it out. A process that is not the api admits runs and does no more.
create function guard_run_status() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not (case old.status
    when 'QUEUED' then new.status in ('ADMITTED', 'SEALING')
    when 'ADMITTED' then new.status in ('PREPARING', 'SEALING')
    when 'PREPARING' then new.status in ('RUNNING', 'EVALUATING', 'SEALING')
    when 'RUNNING' then new.status in ('EVALUATING', 'SEALING')
    when 'EVALUATING' then new.status = 'SEALING'
    when 'SEALING' then new.status in ('COMPLETED', 'FAILED', 'CANCELLED', 'TIMED_OUT')
    else false
  end) then
    raise exception 'run % can''t go from % to %', old.run_id, old.status, new.status using errcode = 'insufficient_privilege';
  end if;
  if current_user <> 'automation_api' and new.status <> 'ADMITTED' then
    raise exception '% can''t move run % to %: only the api does', current_user, old.run_id, new.status using errcode = 'insufficient_privilege';
  end if;
  return new;
end $$;
revoke all on function guard_run_status() from public;

create trigger status before update of status on runs for each row when (old.status <> new.status) execute function guard_run_status();
create trigger begins before insert on runs for each row when (new.status <> 'QUEUED' or new.ended_at is not null)
  execute function refuse_write('a run begins QUEUED');
create trigger ended before update on runs for each row when (old.status in ('COMPLETED', 'FAILED', 'CANCELLED', 'TIMED_OUT'))
  execute function refuse_write('the run has ended');
select fix_columns('runs', 'tenant, run_id, org, request_id, source, event_id, definition_id, definition_version, definition_digest, profile_id, profile_version,
  profile_digest, rule_id, method, work_kind, cadence_id, requested, pins, correlation_id, traceparent, tracestate, deadline_at, day, created_at');

-- A sequence never falls, and the hash moves with it. A closed stream is still published, and takes no event.
create trigger grows before update on run_streams for each row
  when (new.last_sequence < old.last_sequence or (new.last_sequence = old.last_sequence and new.last_hash <> old.last_hash) or new.published_sequence < old.published_sequence or new.published_sequence > new.last_sequence
    or (old.closed and (not new.closed or new.last_sequence <> old.last_sequence)))
  execute function refuse_write('a stream only grows, and not once it is closed');
select fix_columns('run_streams', 'tenant, run_id, org');
select fix_columns('run_queue', 'tenant, run_id, org, keys, priority, queued_at');
select fix_columns('run_commands', 'tenant, command_id, run_id, org, kind, principal, reason, created_at');
select append_only(t::regclass) from unnest(array['run_references', 'run_events']) as t;
select never_deleted(t::regclass) from unnest(array['runs', 'run_streams', 'run_commands']) as t;

grant select on runs, run_queue, run_references, run_streams, run_events to automation_api;
grant insert (tenant, run_id, org, request_id, source, event_id, definition_id, definition_version, definition_digest, profile_id, profile_version, profile_digest,
  rule_id, method, work_kind, cadence_id, "references", requested, pins, shown, status, priority, correlation_id, traceparent, tracestate,
  queue_limit_seconds, work_limit_seconds, handoff_limit_seconds, deadline_at, due_at, day, created_at) on runs to automation_api, automation_dispatcher;
grant insert (tenant, org, run_id, priority, queued_at) on run_queue to automation_api, automation_dispatcher;
grant insert (tenant, org, run_id, kind, id) on run_references to automation_api, automation_dispatcher;
grant insert (tenant, org, run_id, last_sequence, last_hash, size_bytes) on run_streams to automation_api, automation_dispatcher;
grant insert (tenant, org, run_id, day, sequence, writer_key, at, hash, event) on run_events to automation_api, automation_dispatcher;

grant update (status, reason, "references", desired_state, cancel, generation, start_capability, execution_run_id, attempt, waiting, base_commit, due_at,
  admitted_at, begun_at, work_begun_at, sealing_at, ended_at) on runs to automation_api;
grant update (not_before, claimed_until, started_at), delete on run_queue to automation_api;
grant update (last_sequence, last_hash, size_bytes, fence, closed, appended_at) on run_streams to automation_api;
grant insert (tenant, org, command_id, run_id, generation, kind, principal, reason) on run_commands to automation_api;

grant select (tenant, run_id, org, event_id, definition_id, definition_version, profile_id, profile_version, cadence_id, "references", shown, status, priority, generation,
  start_capability, traceparent, tracestate, queue_limit_seconds, work_limit_seconds, handoff_limit_seconds, deadline_at, due_at, day, created_at,
  begun_at, work_begun_at, sealing_at, ended_at, examined_at), update (status, admitted_at, examined_at) on runs to automation_dispatcher;
grant select (tenant, run_id, priority, queued_at, not_before, claimed_until, started_at), update (not_before, claimed_until, started_at) on run_queue to automation_dispatcher;
grant select (tenant, run_id, last_sequence, last_hash, size_bytes, appended_at), update (last_sequence, last_hash, size_bytes, closed, appended_at) on run_streams to automation_dispatcher;
grant select (tenant, command_id, run_id, attempts, delivered_at, next_attempt_at), update (attempts, delivered_at, next_attempt_at) on run_commands to automation_dispatcher;

grant select (tenant, run_id, day, event_id, correlation_id, traceparent, tracestate) on runs to automation_relay;
grant select (day, tenant, run_id, sequence, at, event) on run_events to automation_relay;
grant select (tenant, run_id, published_sequence), update (published_sequence) on run_streams to automation_relay;
