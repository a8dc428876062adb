-- Up Migration

-- A table that came with an org, and is not bound to it yet.
do $$
declare
  name regclass;
begin
  for name in
    select p.polrelid from pg_policy p join pg_attribute a on a.attrelid = p.polrelid and a.attname = 'org'
    where p.polname = 'api' and pg_get_expr(p.polwithcheck, p.polrelid) !~ 'current_org' and p.polrelid <> 'audit_log'::regclass
  loop
    perform protect_org_table(name);
  end loop;
end $$;

-- What nobody may write, the owner of the tables included: whoever must, disables the trigger first, which leaves a trace.

create function refuse_write() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception '% of % is refused: %', tg_op, tg_table_name, tg_argv[0] using errcode = 'insufficient_privilege';
end $$;

-- These columns of a row stay as they were inserted.
create function fix_columns(name regclass, columns text) returns void language plpgsql as $$
begin
  execute format('create trigger fixed before update of %s on %s for each row execute function refuse_write(%L)', columns, name, columns || ' never change');
end $$;

-- Rows come, and stay as they are.
create function append_only(name regclass) returns void language plpgsql as $$
begin
  execute format('create trigger append_only before update or delete on %s for each row execute function refuse_write(''it only grows'')', name);
  execute format('create trigger never_emptied before truncate on %s execute function refuse_write(''it only grows'')', name);
end $$;

create function never_deleted(name regclass) returns void language plpgsql as $$
begin
  execute format('create trigger never_deleted before delete on %s for each row execute function refuse_write(''its rows stay'')', name);
  execute format('create trigger never_emptied before truncate on %s execute function refuse_write(''its rows stay'')', name);
end $$;

select append_only(t::regclass) from unnest(array['event_identities', 'run_requests', 'deliveries', 'platform_deliveries', 'run_references', 'run_events',
  'work_reports', 'work_findings', 'artifacts', 'attestation_subjects', 'element_versions', 'element_relationships', 'workflow_versions', 'methodology_profiles', 'personas', 'audit_log']) as t;
select never_deleted(t::regclass) from unnest(array['runs', 'run_streams', 'run_commands', 'seals', 'attestations', 'handoff_calls', 'impediments', 'signing_keys']) as t;

-- The life of a run, as src/runs/run-status.ts writes it out. Who is not the api admits, and does no more: an end and what leads to it are the api's.
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

create trigger status before update of status on runs for each row when (old.status <> new.status) execute function guard_run_status();
create trigger begins before insert on runs for each row when (new.status not in ('QUEUED', 'ADMITTED') or new.ended_at is not null)
  execute function refuse_write('a run begins QUEUED or ADMITTED');
create trigger ended before update on runs for each row when (old.status in ('COMPLETED', 'FAILED', 'CANCELLED', 'TIMED_OUT'))
  execute function refuse_write('the run has ended');
select fix_columns('runs', 'tenant, run_id, org, request_id, source, event_id, definition_id, definition_version, definition_digest, profile_id, profile_version,
  profile_digest, rule_id, method, work_kind, cadence_id, requested, pins, correlation_id, traceparent, tracestate, deadline_at, day, created_at');

-- A closed stream is published on, and takes no more; a sequence never falls.
create trigger grows before update on run_streams for each row
  when (new.last_sequence < old.last_sequence or new.published_sequence < old.published_sequence or new.published_sequence > new.last_sequence
    or (old.closed and (not new.closed or new.last_sequence <> old.last_sequence or new.last_hash <> old.last_hash)))
  execute function refuse_write('a stream only grows, and not once it is closed');
select fix_columns('run_streams', 'tenant, run_id, org');
select fix_columns('run_commands', 'tenant, command_id, run_id, org, kind, principal, reason, created_at');

-- PREPARED → COMMITTED | ABORTED
create trigger begins before insert on seals for each row when (new.state = 'COMMITTED') execute function refuse_write('a seal is prepared before it is committed');
create trigger ended before update on seals for each row when (old.state <> 'PREPARED') execute function refuse_write('the seal has ended');
select fix_columns('seals', 'tenant, run_id, org, prepared_at');

-- PROVISIONAL → REGISTERED | DISCARDED
create trigger ended before update on attestations for each row when (old.status <> 'PROVISIONAL') execute function refuse_write('it is registered or discarded');
select fix_columns('attestations', 'tenant, attestation_id, org, run_id, seal_outcome, kind, name, predicate_type, purpose, outcome, vantage, subjects,
  statement, statement_sha256, profile_digest, created_at');

-- DUE → ACKNOWLEDGED | REFUSED | STUCK
create trigger ended before update on handoff_calls for each row when (old.state <> 'DUE') execute function refuse_write('the receiver''s first answer stands');
select fix_columns('handoff_calls', 'tenant, call_id, org, run_id, receiver, method, idempotency_key, phase, request, request_digest, created_at');

select fix_columns('impediments', 'tenant, impediment_id, org, method, work_item, cause, created_at');
select fix_columns('elements', 'tenant, org, element_id, type_key, created_at');
select fix_columns('signing_keys', 'key_id, purpose, public_key_pem, not_before');

-- A role reads and writes the columns that the statements of its process name. The api reads whole rows of what it serves, and writes by column.

revoke all on all tables in schema public from automation_api, automation_dispatcher, automation_relay;

grant select on declaration_revisions, workflow_definitions, workflow_versions, workflow_rules, methodology_profiles, repositories, personas,
  event_identities, run_requests, deliveries, runs, run_references, run_streams, run_events, work_reports, work_findings, artifacts, signing_keys,
  attestations, attestation_subjects, seals, handoff_calls, impediments, elements, element_versions, element_relationships to automation_api;

grant insert (tenant), update (revision) on declaration_revisions to automation_api;
grant insert (tenant, definition_id, title, channels), update (title, channels) on workflow_definitions to automation_api;
grant insert (tenant, definition_id, version, plan, digest, published_by) on workflow_versions to automation_api;
grant insert (tenant, rule_id, priority, rule, updated_by), update (priority, rule, updated_by, updated_at) on workflow_rules to automation_api;
grant insert (tenant, profile_id, version, profile, digest, published_by) on methodology_profiles to automation_api;
grant insert (tenant, repository_id, repository, updated_by), update (repository, updated_by, updated_at) on repositories to automation_api;
grant insert (tenant, persona_id, version, digest, size_bytes, manifest, object_key, published_by) on personas to automation_api;
grant insert (tenant, org, principal, action, outcome, correlation_id) on audit_log to automation_api;
grant insert (key_id, purpose, public_key_pem, not_before) on signing_keys to automation_api;

-- what a request becomes, by either door
grant insert (tenant, org, source, event_id, digest_version, payload_digest, request_id, run_id, position) on event_identities to automation_api, automation_dispatcher;
grant insert (tenant, request_id, org, source, event_id, event_type, disposition, reasons, run_id, position, payload, correlation_id, causation_id, traceparent,
  tracestate, subject, data_schema, event_time) on run_requests to automation_api, automation_dispatcher;
grant insert (tenant, org, position, request_id, source, event_id, event_type, run_id, disposition, payload_digest) on deliveries to automation_api, automation_dispatcher;
grant insert (tenant, run_id, org, request_id, source, event_id, definition_id, definition_version, definition_digest, profile_id, profile_version, profile_digest,
  rule_id, method, work_kind, cadence_id, "references", requested, pins, status, priority, correlation_id, traceparent, tracestate, deadline_at, day, created_at)
  on runs to automation_api, automation_dispatcher;
grant insert (tenant, org, run_id, kind, id) on run_references to automation_api, automation_dispatcher;
grant insert (tenant, org, run_id, last_sequence, last_hash) on run_streams to automation_api, automation_dispatcher;
grant insert (tenant, org, run_id, day, sequence, writer_key, at, hash, event) on run_events to automation_api, automation_dispatcher;
grant insert (lane, kind, tenant, run_id, through_sequence, topic, key, headers, body) on outbox to automation_api, automation_dispatcher;

grant update (status, reason, "references", desired_state, execution_run_id, base_commit, started_at, begun_at, ended_at) on runs to automation_api;
grant update (last_sequence, last_hash, closed, fence) on run_streams to automation_api;
grant insert (tenant, org, command_id, run_id, generation, kind, principal, reason) on run_commands to automation_api;
grant insert (tenant, org, run_id, attempt, report, uploads) on work_reports to automation_api;
grant insert (tenant, org, run_id, findings) on work_findings to automation_api;
grant insert (tenant, org, artifact_id, run_id, name, kind, media_type, sha256, size_bytes, object_key, created_at) on artifacts to automation_api;
grant insert (tenant, org, run_id, seal_outcome, profile_digest, created_at, attestation_id, kind, name, predicate_type, purpose, outcome, vantage, subjects,
  statement, statement_sha256, envelope, key_id, status, registered_at), update (status, envelope, key_id, registered_at) on attestations to automation_api;
grant insert (tenant, org, attestation_id, algorithm, value) on attestation_subjects to automation_api;
grant insert (tenant, org, run_id, state, outcome, verdict, cause, log_head, log_count, log_sha256, prepared_at, ended_at),
  update (state, outcome, verdict, cause, log_head, log_count, log_sha256, ended_at) on seals to automation_api;
grant insert (tenant, org, run_id, created_at, state, call_id, receiver, method, idempotency_key, phase, request, request_digest, next_attempt_at),
  update (state, answer, last_error, attempts, answered_at, next_attempt_at) on handoff_calls to automation_api;
grant insert (tenant, org, impediment_id, method, work_item, cause, summary, lines, occurrences, state, last_run_id, created_at, updated_at),
  update (summary, lines, occurrences, last_run_id, updated_at, remote_id) on impediments to automation_api;
grant insert (tenant, org, element_id, type_key, name, created_at), update (name) on elements to automation_api;
grant insert (tenant, org, element_id, version, run_id, attachments, created_at) on element_versions to automation_api;
grant insert (tenant, org, element_id, type_key, target_kind, target_id, target) on element_relationships to automation_api;

grant select (tenant, revision) on declaration_revisions to automation_dispatcher;
grant select (tenant, definition_id, channels) on workflow_definitions to automation_dispatcher;
grant select (tenant, definition_id, version, plan, digest) on workflow_versions to automation_dispatcher;
grant select (tenant, rule_id, priority, rule) on workflow_rules to automation_dispatcher;
grant select (tenant, profile_id, version, profile, digest, ordinal) on methodology_profiles to automation_dispatcher;
grant select (tenant, repository_id, repository) on repositories to automation_dispatcher;
grant select (tenant, persona_id, version, digest, size_bytes, manifest, object_key, published_by, created_at, ordinal) on personas to automation_dispatcher;
grant select (tenant, org, source, event_id, payload_digest, request_id, run_id, position) on event_identities to automation_dispatcher;
grant select (position), insert (position, disposition, cause, reasons, size_bytes) on platform_deliveries to automation_dispatcher;
grant select (tenant, run_id, org, event_id, definition_id, definition_version, profile_id, profile_version, cadence_id, "references", status, priority, generation,
  traceparent, tracestate, deadline_at, claimed_until, created_at, started_at, begun_at, ended_at), update (claimed_until, started_at) on runs to automation_dispatcher;
grant select (tenant, command_id, run_id, attempts, delivered_at, next_attempt_at), update (attempts, delivered_at, next_attempt_at) on run_commands to automation_dispatcher;

grant select (tenant, run_id, day) on runs to automation_relay;
grant select (day, tenant, run_id, sequence, at, event) on run_events to automation_relay;
grant select (tenant, run_id, published_sequence), update (published_sequence) on run_streams to automation_relay;
grant select (id, lane, kind, tenant, run_id, through_sequence, topic, key, headers, body), delete on outbox to automation_relay;
grant select (lane, owner, epoch, leased_until), update (owner, epoch, leased_until) on relay_lanes to automation_relay;

-- The dispatcher writes how a stream begins, and no more of it.
alter policy automation_dispatcher on run_events with check (sequence = 1);
alter policy automation_dispatcher on run_streams with check (last_sequence = 1 and not closed);

-- Functions that speak for the owner find what they name where it was made, whatever the caller has made in pg_temp.
create or replace function ensure_run_event_partitions() returns int language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
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

revoke all on function protect_tenant_table(regclass), open_tenant_table(regclass, text), protect_org_table(regclass),
  refuse_write(), guard_run_status(), fix_columns(regclass, text), append_only(regclass), never_deleted(regclass) from public;
