-- Up Migration

-- A repetition is the same position with the same bytes: the digest of the record stands beside the position. Calls of the api have none, since no position of theirs comes twice.
alter table event_identities add column record_digest text not null default '';
alter table deliveries add column record_digest text not null default '',
  drop constraint deliveries_pkey, add primary key (tenant, position, record_digest);
alter table platform_deliveries add column record_digest text not null default '',
  drop constraint platform_deliveries_pkey, add primary key (position, record_digest);
comment on column event_identities.position is 'Where the first delivery stood: the same position again, with the same record, is a no-op.';
comment on column event_identities.record_digest is 'sha256 over key, headers and value of the first delivery as it stood on the bus';

grant select (record_digest), insert (record_digest) on event_identities to automation_api, automation_dispatcher;
grant insert (record_digest) on deliveries to automation_api, automation_dispatcher;
grant select (record_digest), insert (record_digest) on platform_deliveries to automation_dispatcher;

-- What a run event carries on from the request.
grant select (event_id, correlation_id, traceparent, tracestate) on runs to automation_relay;
