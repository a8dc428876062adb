-- Up Migration

-- The runs of a reference are listed newest first, and a reference of a product may have all of them.
alter table run_references add column created_at timestamptz not null default now();
comment on column run_references.created_at is 'when the run was accepted; the default is for processes of the version before';
alter table run_references disable trigger append_only;
update run_references as f set created_at = r.created_at from runs as r where r.tenant = f.tenant and r.run_id = f.run_id;
alter table run_references enable trigger append_only;
alter table run_references drop constraint run_references_pkey, add primary key (tenant, kind, id, created_at, run_id);
grant insert (created_at) on run_references to automation_api, automation_dispatcher;
