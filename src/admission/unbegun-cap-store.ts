import type { Transaction } from "../tenancy/transaction.ts";
import type { RunKey } from "./claim-store.ts";

/** Advisory lock that all replicas take before they count the places. */
const placesLock = 7_041_001;

/** How long a claim lasts, in database time. A call that starts a workflow has half of it. */
const claimSeconds = 10;

/**
 * Claims waiting runs by priority and age, as many as there are free places.
 *
 * A run holds a place while it is claimed, and from the start of its workflow until BeginRun. All replicas together hold at most `maxUnbegun` places: they are counted
 * under a lock that ends with this short transaction. The commit does not wait for the disk: a crash of Postgres loses claims only, and they are made again.
 */
export async function claimRuns(
  transaction: Transaction,
  limits: { readonly maxUnbegun: number; readonly atMost: number },
): Promise<RunKey[]> {
  const [, claimed] = await Promise.all([
    // the queue is read by its indexes and in their order, even before Postgres has statistics of it
    transaction.query(
      `select set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true),
         set_config('synchronous_commit', 'off', true), pg_advisory_xact_lock($1)`,
      [placesLock],
    ),
    transaction.query<RunKey & { priority: number; queuedAt: Date }>(
      `with room as (
         select $1::bigint - count(*) as free from run_queue
         where claimed_until is not null and (started_at is not null or claimed_until > clock_timestamp())
       ), due as (
         select tenant, run_id from run_queue
         where started_at is null and (claimed_until is null or claimed_until <= clock_timestamp()) and not_before <= clock_timestamp()
         order by priority, queued_at
         limit (select greatest(0, least(free, $2::bigint)) from room)
         for update skip locked
       )
       update run_queue as q set claimed_until = clock_timestamp() + make_interval(secs => $3)
       from due where q.tenant = due.tenant and q.run_id = due.run_id
       returning q.tenant, q.run_id as "runId", q.priority, q.queued_at as "queuedAt"`,
      [limits.maxUnbegun, limits.atMost, claimSeconds],
    ),
  ]);
  return claimed.rows
    .sort((a, b) => a.priority - b.priority || a.queuedAt.getTime() - b.queuedAt.getTime())
    .map(({ tenant, runId }) => ({ tenant, runId }));
}

/** Whether runs wait, started runs hold all places, and the last of them was started at least so many seconds ago. */
export async function arePlacesStuck(
  transaction: Transaction,
  maxUnbegun: number,
  forSeconds: number,
): Promise<boolean> {
  const { rows } = await transaction.query<{ areStuck: boolean }>(
    `select count(*) >= $1 and max(started_at) <= clock_timestamp() - make_interval(secs => $2)
       and exists (select from run_queue where started_at is null) as "areStuck"
     from run_queue where claimed_until is not null and started_at is not null`,
    [maxUnbegun, forSeconds],
  );
  return rows[0]?.areStuck ?? false;
}
