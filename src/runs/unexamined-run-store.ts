import type { Transaction } from "../tenancy/transaction.ts";

/** A run that the reconciler examines. */
export interface ExaminedRun {
  readonly tenant: string;
  readonly org: string;
  readonly runId: string;
  readonly generation: number;
  readonly hasBegun: boolean;
}

/**
 * Takes runs whose workflow was started and that were not examined for so long; concurrent replicas take different ones.
 * @returns them, and whether each has given no sign of life for as long
 */
export async function takeUnexamined(
  transaction: Transaction,
  seconds: number,
  atMost: number,
): Promise<(ExaminedRun & { readonly isSilent: boolean })[]> {
  const { rows } = await transaction.query<ExaminedRun & { readonly isSilent: boolean }>(
    `with due as (
       select tenant, run_id from runs as r
       where status <> 'QUEUED' and ended_at is null and examined_at <= clock_timestamp() - make_interval(secs => $1)
         and not exists (select from run_queue as q where q.tenant = r.tenant and q.run_id = r.run_id and q.started_at is null)
       order by examined_at limit $2 for update skip locked
     ), taken as (
       update runs as r set examined_at = clock_timestamp() from due where r.tenant = due.tenant and r.run_id = due.run_id
       returning r.tenant, r.org, r.run_id, r.generation, r.begun_at
     )
     select t.tenant, t.org, t.run_id as "runId", t.generation, t.begun_at is not null as "hasBegun",
       greatest(s.appended_at, q.started_at) <= clock_timestamp() - make_interval(secs => $1) as "isSilent"
     from taken as t join run_streams as s on s.tenant = t.tenant and s.run_id = t.run_id
       left join run_queue as q on q.tenant = t.tenant and q.run_id = t.run_id`,
    [seconds, atMost],
  );
  return rows;
}
