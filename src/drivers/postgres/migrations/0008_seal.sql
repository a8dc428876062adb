-- Up Migration

create table seals (
  tenant text not null,
  org text not null,
  run_id uuid not null,
  state text not null check (state in ('PREPARED', 'COMMITTED', 'ABORTED')),
  outcome text not null,
  gate text not null,
  cause text not null default '',
  log_head text not null,
  log_count bigint not null,
  log_sha256 text not null,
  prepared_at timestamptz not null default now(),
  ended_at timestamptz,
  primary key (tenant, run_id)
);
comment on table seals is 'One per run: PREPARED → COMMITTED | ABORTED by compare-and-set.';
comment on column seals.gate is 'at which the run was judged: its verdict is in verdicts';

create table handoff_calls (
  tenant text not null,
  call_id uuid not null,
  org text not null,
  run_id uuid not null,
  receiver text not null,
  rpc text not null,
  idempotency_key text not null,
  phase text not null check (phase in ('TRY', 'CONFIRM', 'CANCEL')),
  state text not null check (state in ('DUE', 'ACKNOWLEDGED', 'REFUSED', 'STUCK')),
  meta jsonb not null,
  payload jsonb not null,
  request_digest text not null,
  answer jsonb,
  attempts int not null default 0,
  last_error text not null default '',
  next_attempt_at timestamptz,
  created_at timestamptz not null default now(),
  held_up_at timestamptz,
  answered_at timestamptz,
  primary key (tenant, call_id),
  unique (tenant, idempotency_key, phase)
);
comment on column handoff_calls.next_attempt_at is 'null while the workflow makes the call (tries before a commit); else when the deliver loop makes it';
comment on column handoff_calls.held_up_at is 'when a due call was found to have no answer after 15 minutes: it is shown, and made again as before; database time';
create index handoff_calls_due on handoff_calls (next_attempt_at) where state = 'DUE' and next_attempt_at is not null;
create index handoff_calls_by_run on handoff_calls (tenant, run_id);

-- Claims due calls of all tenants for 10 s, except those of busy receivers. It returns only where they are; each is then made under its own tenant and org.
create function claim_due_handoff_calls(at_most int, busy text[]) returns table (tenant text, org text, call_id uuid, receiver text)
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  update handoff_calls as call set next_attempt_at = now() + interval '10 seconds'
  from (
    select c.tenant, c.call_id from handoff_calls c
    where c.state = 'DUE' and c.next_attempt_at <= now() and c.receiver <> all (busy)
    order by c.next_attempt_at limit at_most for update skip locked
  ) as due
  where call.tenant = due.tenant and call.call_id = due.call_id
  returning call.tenant, call.org, call.call_id, call.receiver;
$$;
revoke all on function claim_due_handoff_calls(int, text[]) from public;
grant execute on function claim_due_handoff_calls(int, text[]) to automation_api;

-- Marks due calls of all tenants that wait for too long, each once, and returns what an operator must know of them.
create function mark_held_up_calls() returns table (tenant text, run_id uuid, receiver text, rpc text, phase text, last_error text)
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  update handoff_calls as call set held_up_at = now()
  from (
    select c.tenant, c.call_id from handoff_calls c
    where c.state = 'DUE' and c.next_attempt_at is not null and c.held_up_at is null and c.created_at < now() - interval '15 minutes'
    order by c.created_at limit 100 for update skip locked
  ) as old
  where call.tenant = old.tenant and call.call_id = old.call_id
  returning call.tenant, call.run_id, call.receiver, call.rpc, call.phase, call.last_error;
$$;
revoke all on function mark_held_up_calls() from public;
grant execute on function mark_held_up_calls() to automation_api;

create table impediments (
  tenant text not null,
  impediment_id uuid not null,
  org text not null,
  method text not null,
  work_item text not null,
  cause text not null,
  summary text not null,
  lines jsonb not null,
  occurrences int not null,
  state text not null check (state in ('OPEN')),
  remote_id text not null default '',
  last_run_id uuid not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant, impediment_id),
  unique (tenant, org, method, work_item, cause)
);
comment on column impediments.lines is 'automation.v1.VerdictLine as proto JSON, of the latest occurrence';

select protect_org_table(t::regclass), never_deleted(t::regclass) from unnest(array['seals', 'handoff_calls', 'impediments']) as t;

-- PREPARED → COMMITTED | ABORTED
create trigger begins before insert on seals for each row when (new.state = 'COMMITTED') execute function refuse_write('a seal is prepared before it is committed');
create trigger ended before update on seals for each row when (old.state <> 'PREPARED') execute function refuse_write('the seal has ended');
select fix_columns('seals', 'tenant, run_id, org, gate, prepared_at');

-- DUE → ACKNOWLEDGED | REFUSED | STUCK
create trigger ended before update on handoff_calls for each row when (old.state <> 'DUE') execute function refuse_write('the receiver''s first answer stands');
select fix_columns('handoff_calls', 'tenant, call_id, org, run_id, receiver, rpc, idempotency_key, phase, meta, payload, request_digest, created_at');
select fix_columns('impediments', 'tenant, impediment_id, org, method, work_item, cause, created_at');

grant select on seals, handoff_calls, impediments to automation_api;
grant insert (tenant, org, run_id, gate, state, outcome, cause, log_head, log_count, log_sha256, prepared_at, ended_at),
  update (state, outcome, cause, log_head, log_count, log_sha256, ended_at) on seals to automation_api;
grant insert (tenant, org, run_id, created_at, state, call_id, receiver, rpc, idempotency_key, phase, meta, payload, request_digest, next_attempt_at),
  update (state, answer, last_error, attempts, answered_at, next_attempt_at) on handoff_calls to automation_api;
grant insert (tenant, org, impediment_id, method, work_item, cause, summary, lines, occurrences, state, last_run_id, created_at, updated_at),
  update (summary, lines, occurrences, last_run_id, updated_at, remote_id) on impediments to automation_api;
