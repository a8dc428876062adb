-- Up Migration

-- What an operator lets go after a time. Identities stay: they decide whether an event was seen before.
create table kept_since (
  what text primary key check (what in ('run_events', 'requests', 'deliveries')),
  since timestamptz not null default '-infinity'
);
comment on table kept_since is 'What is older may have been dropped on time; what is younger and missing is lost.';
insert into kept_since (what) values ('run_events'), ('requests'), ('deliveries');
grant select on kept_since to automation_check;
grant select (created_at) on event_identities to automation_check;
grant select (source, event_id) on deliveries to automation_check;

-- Rows of the ledger never change. They can be deleted when they are old, and nobody but the functions below may.
do $$
declare
  name text;
begin
  foreach name in array array['run_requests', 'deliveries', 'platform_deliveries'] loop
    execute format('drop trigger append_only on %I', name);
    execute format('create trigger append_only before update on %I for each row execute function refuse_write(''it only grows'')', name);
    execute format('create trigger kept before delete on %I for each row when (old.received_at > now() - interval ''30 days'') execute function refuse_write(''its rows stay for 30 days'')', name);
    execute format('create index %I on %I using brin (received_at)', name || '_by_age', name);
  end loop;
end $$;

-- Drops the days of run events that are over, oldest first. A day stays while a run of it goes on, or an event of it is not published.
create function drop_run_events(keep_days int) returns int language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  dropped int := 0;
  part record;
begin
  if keep_days < 93 then
    raise exception 'run events are kept for 93 days at least, longer than any run goes on; not for %', keep_days using errcode = 'invalid_parameter_value';
  end if;
  perform pg_advisory_xact_lock(hashtext('ensure_run_event_partitions'));
  for part in
    select c.relname as name, to_date(right(c.relname, 8), 'YYYYMMDD') as day from pg_inherits as i join pg_class as c on c.oid = i.inhrelid
    where i.inhparent = 'public.run_events'::regclass and to_date(right(c.relname, 8), 'YYYYMMDD') < (now() at time zone 'utc')::date - keep_days order by 2
  loop
    exit when exists (select from runs where due_at is not null and day = part.day)
      or exists (select from outbox as o join runs as r using (tenant, run_id) where o.kind = 'run_events' and r.day = part.day);
    execute format('drop table public.%I', part.name);
    update kept_since set since = part.day + 1 where what = 'run_events';
    dropped := dropped + 1;
  end loop;
  return dropped;
end $$;

-- Delete what is older, at most so many rows. The hour is room for clocks: a run is as old as its request, but not to the second.
create function drop_requests(keep_days int, at_most int) returns int language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  dropped int;
begin
  update kept_since set since = greatest(since, now() - make_interval(days => keep_days) + interval '1 hour') where what = 'requests';
  with old as (
    select q.tenant, q.request_id from run_requests as q
    where q.received_at < now() - make_interval(days => keep_days)
      and not exists (select from runs as r where r.tenant = q.tenant and r.run_id = q.run_id and r.ended_at is null)
    limit at_most
  )
  delete from run_requests as q using old where q.tenant = old.tenant and q.request_id = old.request_id;
  get diagnostics dropped = row_count;
  return dropped;
end $$;

create function drop_deliveries(keep_days int, at_most int) returns int language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  dropped int;
  of_platform int;
begin
  update kept_since set since = greatest(since, now() - make_interval(days => keep_days)) where what = 'deliveries';
  with old as (
    select tenant, position, record_digest from deliveries where received_at < now() - make_interval(days => keep_days) limit at_most
  )
  delete from deliveries as d using old where (d.tenant, d.position, d.record_digest) = (old.tenant, old.position, old.record_digest);
  get diagnostics dropped = row_count;
  with old as (
    select position, record_digest from platform_deliveries where received_at < now() - make_interval(days => keep_days) limit at_most
  )
  delete from platform_deliveries as d using old where (d.position, d.record_digest) = (old.position, old.record_digest);
  get diagnostics of_platform = row_count;
  return greatest(dropped, of_platform);
end $$;

revoke all on function drop_run_events(int), drop_requests(int, int), drop_deliveries(int, int) from public;
grant execute on function drop_run_events(int), drop_requests(int, int), drop_deliveries(int, int) to automation_dispatcher;
