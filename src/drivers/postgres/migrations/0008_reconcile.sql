-- Up Migration

-- What an execution must know to begin a run: it travels in the workflow's input alone, so that whoever only knows the run's id can't speak for it.
-- 244 random bits, the same for every start of a generation: of two starts Temporal keeps the input of the first.
alter table runs add column start_capability text not null default replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
comment on column runs.start_capability is 'secret of the current generation: handed to its workflow by the dispatcher, compared by the api';

-- A generation that nobody has begun holds a place of the release loop, whatever the run's status: a run that is driven anew keeps its own.
drop index runs_to_release, runs_unbegun, runs_claimed;
create index runs_to_release on runs (priority, created_at) where started_at is null and ended_at is null;
create index runs_unbegun on runs (started_at) where started_at is not null and begun_at is null and ended_at is null;
create index runs_claimed on runs (claimed_until) where started_at is null and ended_at is null and claimed_until is not null;

alter table runs add column examined_at timestamptz not null default now();
comment on column runs.examined_at is 'when the reconciler last asked after it, or its workflow was started; database time';
create index runs_to_examine on runs (examined_at) where started_at is not null and ended_at is null;
comment on column runs.generation is 'which Temporal execution may speak; a run whose execution is gone goes on with the next one';

alter table run_streams add column appended_at timestamptz not null default now();
comment on column run_streams.appended_at is 'when the run was last heard of; database time';
comment on column run_streams.fence is 'highest attempt of the generation''s work that was heard: lower ones are refused';

create table reconciliations (
  tenant text not null,
  org text not null,
  run_id uuid not null,
  generation int not null,
  finding text not null check (finding in ('unbegun', 'silent', 'completed', 'failed', 'terminated', 'cancelled', 'timed_out', 'absent', 'start_refused', 'cancel_wished', 'limit_passed')),
  detail text not null,
  found_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  due_at timestamptz,
  attempts int not null default 0,
  primary key (tenant, run_id)
);
comment on table reconciliations is 'What the dispatcher found about runs that do not go on. The api, which alone ends runs, acts on those that are due.';
comment on column reconciliations.found_at is 'since when it is so; database time';
comment on column reconciliations.due_at is 'when the api acts on it; null: it is only shown';
create index reconciliations_due on reconciliations (due_at) where due_at is not null;

-- Claims due findings of all tenants, for longer with every attempt, and tells no more than where they are; each is then acted on under its own tenant and org.
create function claim_due_reconciliations(at_most int) returns table (tenant text, org text, run_id uuid)
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  update reconciliations as found set attempts = found.attempts + 1, due_at = now() + least(600, 10 * 2 ^ least(found.attempts, 6)) * interval '1 second'
  from (
    select c.tenant, c.run_id from reconciliations c where c.due_at <= now() order by c.due_at limit at_most for update skip locked
  ) as due
  where found.tenant = due.tenant and found.run_id = due.run_id
  returning found.tenant, found.org, found.run_id;
$$;
revoke all on function claim_due_reconciliations(int) from public;
grant execute on function claim_due_reconciliations(int) to automation_api;

select protect_tenant_table('reconciliations');
select open_tenant_table('reconciliations', 'automation_dispatcher');
grant select, delete on reconciliations to automation_api;
grant select, insert, update, delete on reconciliations to automation_dispatcher;
select protect_org_table('reconciliations');
grant select (tenant, run_id, appended_at) on run_streams to automation_dispatcher;
grant update (appended_at) on run_streams to automation_api;
grant select (start_capability, examined_at), update (examined_at) on runs to automation_dispatcher;
grant select (start_capability), update (generation, start_capability, execution_run_id, begun_at, started_at, claimed_until) on runs to automation_api;
