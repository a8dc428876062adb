-- Up Migration

alter table handoff_calls add column held_up_at timestamptz;
comment on column handoff_calls.held_up_at is 'when a due call was found to have no answer after 15 minutes: it is shown, and made again as before; database time';

-- Marks due calls of all tenants that wait too long, each once, and tells what an operator must know of them.
create function mark_held_up_calls() returns table (tenant text, run_id uuid, receiver text, method text, phase text, last_error text)
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  update handoff_calls as call set held_up_at = now()
  from (
    select c.tenant, c.call_id from handoff_calls c
    where c.state = 'DUE' and c.next_attempt_at is not null and c.held_up_at is null and c.created_at < now() - interval '15 minutes'
    order by c.created_at limit 100 for update skip locked
  ) as old
  where call.tenant = old.tenant and call.call_id = old.call_id
  returning call.tenant, call.run_id, call.receiver, call.method, call.phase, call.last_error;
$$;
revoke all on function mark_held_up_calls() from public;
grant execute on function mark_held_up_calls() to automation_api;
