-- Up Migration

-- `automation check` reads what it compares, of all tenants, and writes nothing. Payloads, contexts and start capabilities are not among it.
create function let_check_read(name regclass, columns text) returns void language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
  execute format('create policy automation_check on %s for select to automation_check using (true)', name);
  execute format('grant select (%s) on %s to automation_check', columns, name);
end $$;
revoke all on function let_check_read(regclass, text) from public;

select let_check_read('event_identities', 'tenant, source, event_id, request_id, run_id, position, record_digest');
select let_check_read('run_requests', 'tenant, request_id, org, source, event_id, decision, disposition, run_id, position, received_at');
select let_check_read('deliveries', 'tenant, position, record_digest, request_id, disposition');
select let_check_read('runs', 'tenant, run_id, org, request_id, source, event_id, status, generation, day, due_at, created_at, begun_at, ended_at');
select let_check_read('run_queue', 'tenant, org, run_id, keys, started_at');
select let_check_read('queue_places', 'tenant, org, run_id, key');
select let_check_read('run_streams', 'tenant, org, run_id, last_sequence, last_hash, published_sequence, closed');
select let_check_read('run_events', 'tenant, org, run_id, day, sequence, hash, event');
select let_check_read('outbox', 'kind, tenant, run_id, through_sequence');
select let_check_read('work_reports', 'tenant, org, run_id');
select let_check_read('artifacts', 'tenant, org, run_id, kind, name, sha256, object_key');
select let_check_read('verdicts', 'tenant, org, run_id, judgement, verdict');
select let_check_read('attestations', 'tenant, org, run_id, seal_outcome, kind, predicate_type, statement_sha256, envelope, key_id, status');
select let_check_read('seals', 'tenant, org, run_id, state, outcome, log_sha256');
select let_check_read('handoff_calls', 'tenant, org, run_id, receiver, rpc, idempotency_key, phase, state');
grant select (key_id, purpose, public_key_pem) on signing_keys to automation_check;
drop function let_check_read(regclass, text);
