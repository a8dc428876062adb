-- Up Migration

alter table run_streams add column size_bytes bigint not null default 0;
comment on column run_streams.size_bytes is 'bytes of the run''s log so far, as it is kept at the end: the RFC 8785 JSON of each event, and a line feed';

grant select (size_bytes), update (size_bytes) on run_streams to automation_api;
