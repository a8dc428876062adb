-- Up Migration

-- What requests and runs make belongs to (tenant, org); what is declared belongs to the tenant.

-- The org that the current transaction speaks for; '*' is every org of the tenant, to be read. Raises as current_tenant() does.
create function current_org() returns text language plpgsql stable as $$
declare
  org text := current_setting('app.org_id', true);
begin
  if org is null or org = '' then
    raise exception 'no org is bound to this transaction' using errcode = 'insufficient_privilege';
  end if;
  return org;
end $$;

-- Binds the api, on a table that is protected already, to its org too. Under '*' every row of the tenant is read and none is written.
create function protect_org_table(name regclass) returns void language plpgsql as $$
begin
  execute format('alter table %s alter column org set not null, alter column org set default current_org()', name);
  execute format('drop policy api on %s', name);
  execute format('create policy api on %s to automation_api
    using (tenant = current_tenant() and (select current_org()) in (org, ''*''))
    with check (tenant = current_tenant() and org = (select current_org()) and org <> ''*'')', name);
end $$;

alter table event_identities add column org text;
alter table deliveries add column org text, add column source text, add column event_id text, add column event_type text, add column run_id uuid;
alter table run_references add column org text;
alter table run_streams add column org text;
alter table run_events add column org text;
alter table run_commands add column org text;
alter table artifacts add column org text;
alter table attestation_subjects add column org text;
alter table seals add column org text;
alter table work_reports add column org text;
alter table elements add column org text;
alter table element_versions add column org text;
alter table element_relationships add column org text;

update event_identities as e set org = q.org from run_requests q where q.tenant = e.tenant and q.request_id = e.request_id;
update deliveries as d set org = q.org, source = q.source, event_id = q.event_id, event_type = q.event_type, run_id = q.run_id
  from run_requests q where q.tenant = d.tenant and q.request_id = d.request_id;
update run_references as x set org = r.org from runs r where r.tenant = x.tenant and r.run_id = x.run_id;
update run_streams as x set org = r.org from runs r where r.tenant = x.tenant and r.run_id = x.run_id;
update run_events as x set org = r.org from runs r where r.tenant = x.tenant and r.run_id = x.run_id;
update run_commands as x set org = r.org from runs r where r.tenant = x.tenant and r.run_id = x.run_id;
update artifacts as x set org = r.org from runs r where r.tenant = x.tenant and r.run_id = x.run_id;
update attestation_subjects as x set org = a.org from attestations a where a.tenant = x.tenant and a.attestation_id = x.attestation_id;
update seals as x set org = r.org from runs r where r.tenant = x.tenant and r.run_id = x.run_id;
update work_reports as x set org = r.org from runs r where r.tenant = x.tenant and r.run_id = x.run_id;
update element_versions as x set org = r.org from runs r where r.tenant = x.tenant and r.run_id = x.run_id;

-- An element that several orgs had made together becomes one for each, related to what its own runs were about.
alter table elements drop constraint elements_pkey;
alter table element_relationships drop constraint element_relationships_pkey;
insert into elements (tenant, org, element_id, type_key, name, created_at)
  select distinct e.tenant, v.org, e.element_id, e.type_key, e.name, e.created_at from elements e join element_versions v using (tenant, element_id);
delete from elements where org is null;
insert into element_relationships (tenant, org, element_id, type_key, target_kind, target_id, target)
  select distinct on (x.tenant, v.org, x.element_id, x.type_key, x.target_kind, x.target_id)
    x.tenant, v.org, x.element_id, x.type_key, x.target_kind, x.target_id, x.target
  from element_relationships x join element_versions v using (tenant, element_id)
    join run_references f on f.tenant = v.tenant and f.run_id = v.run_id and f.kind = x.target_kind and f.id = x.target_id;
delete from element_relationships where org is null;
alter table elements add primary key (tenant, org, element_id);
alter table element_versions drop constraint element_versions_pkey, drop constraint element_versions_tenant_element_id_run_id_key,
  add primary key (tenant, org, element_id, version), add unique (tenant, org, element_id, run_id);
alter table element_relationships add primary key (tenant, org, element_id, type_key, target_kind, target_id);

alter table impediments drop constraint impediments_tenant_method_work_item_cause_key, add unique (tenant, org, method, work_item, cause);

alter table deliveries alter column source set not null, alter column event_id set not null, alter column event_type set not null;
comment on table deliveries is 'Every delivery of a known identity after its first; the first one is the request itself. What it says is its own: an identity of another org gives nothing away.';
create index deliveries_event on deliveries (tenant, event_id);

select protect_org_table(t::regclass)
from unnest(array['run_requests', 'deliveries', 'runs', 'run_references', 'run_streams', 'run_events', 'run_commands', 'artifacts',
  'attestations', 'attestation_subjects', 'seals', 'work_reports', 'work_findings', 'handoff_calls', 'impediments',
  'elements', 'element_versions', 'element_relationships', 'event_identities']) as t;

-- An identity is the tenant's: the same event id from another org is seen, so that it is a conflict and never a second run.
drop policy api on event_identities;
create policy api on event_identities to automation_api
  using (tenant = current_tenant()) with check (tenant = current_tenant() and org = (select current_org()) and org <> '*');

drop function claim_due_handoff_calls(int, text[]);
-- Claims due calls of all tenants for 10 s, those of busy receivers left out, and tells no more than where they are; each is then sent under its own tenant and org.
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
