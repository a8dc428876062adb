-- Up Migration

-- What an execution must know to begin a run: it travels in the workflow's input alone, so that whoever only knows the run's id can't speak for it.
-- 244 random bits, the same for every start of a generation: of two starts Temporal keeps the input of the first.
alter table runs add column start_capability text not null default replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
comment on column runs.start_capability is 'secret of the current generation: handed to its workflow by the dispatcher, compared by the api';
