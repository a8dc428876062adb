-- What metrics read over all tenants: numbers, and the names of receivers, which are the operator's.
grant select (created_at) on outbox to automation_relay;

create function handoff_backlog() returns table (receiver text, state text, calls bigint, oldest_seconds float8)
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  select c.receiver, c.state, count(*), extract(epoch from clock_timestamp() - min(c.created_at))::float8
  from handoff_calls as c where c.state = 'STUCK' or (c.state = 'DUE' and c.next_attempt_at is not null)
  group by c.receiver, c.state
$$;
revoke all on function handoff_backlog() from public;
grant execute on function handoff_backlog() to automation_api;
create index handoff_calls_stuck on handoff_calls (receiver) where state = 'STUCK';
