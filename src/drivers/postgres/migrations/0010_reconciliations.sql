-- Up Migration

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

-- Claims due findings of all tenants, for longer with every attempt. It returns only where they are; each is then acted on under its own tenant and org.
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

select protect_org_table('reconciliations'), open_tenant_table('reconciliations', 'automation_dispatcher');
grant select, delete on reconciliations to automation_api;
grant select, insert, update, delete on reconciliations to automation_dispatcher;
