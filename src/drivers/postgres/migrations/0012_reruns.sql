-- Up Migration

alter table runs add column rerun_of uuid;
comment on column runs.rerun_of is 'the run that this one repeats, of the same org; null for a first one';
create trigger rerun_fixed before update of rerun_of on runs for each row execute function refuse_write('rerun_of never changes');
grant insert (rerun_of) on runs to automation_api, automation_dispatcher;
