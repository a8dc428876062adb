import type { Transaction } from "../tenancy/transaction.ts";
import type { RunKey } from "./claim-store.ts";

/** Advisory lock that all replicas take before they count the places. */
const placesLock = 7_041_001;

/** How long a claim lasts, in database time. A call that starts a workflow has half of it. */
const claimSeconds = 10;

/**
 * Claims waiting runs by priority and age, as many as there are free places. A run with limits needs a place under each of them, and takes all or none.
 *
 *   unlimited   runs without limits
 *   again       runs whose claim ran out: they have their places under limits
 *   alike       the different sets of limits that runs wait for, found by jumps through the index, so that a long queue costs nothing
 *   places      what is free under each key of a set, by the rule as it stands; null: the rule has the limit no more
 *   ranked      a run that is not among the first of one key takes the turn under the others; the next claim is exact
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
      `with recursive room as (
         select $1::bigint - count(*) as free from run_queue
         where claimed_until is not null and (started_at is not null or claimed_until > clock_timestamp())
       ), unlimited as (
         select tenant, run_id, priority, queued_at from run_queue
         where started_at is null and keys = '{}' and (claimed_until is null or claimed_until <= clock_timestamp()) and not_before <= clock_timestamp()
         order by priority, queued_at
         limit (select greatest(0, least(free, $2::bigint)) from room)
         for update skip locked
       ), again as (
         select tenant, run_id, priority, queued_at from run_queue
         where started_at is null and keys <> '{}' and claimed_until <= clock_timestamp() and not_before <= clock_timestamp()
         for update skip locked
       ), alike as (
         (select tenant, rule_id, keys from run_queue where started_at is null and keys <> '{}' order by tenant, rule_id, keys limit 1)
         union all
         select next.tenant, next.rule_id, next.keys from alike, lateral (
           select q.tenant, q.rule_id, q.keys from run_queue as q
           where q.started_at is null and q.keys <> '{}' and (q.tenant, q.rule_id, q.keys) > (alike.tenant, alike.rule_id, alike.keys)
           order by q.tenant, q.rule_id, q.keys limit 1
         ) as next
       ), places as (
         select alike.tenant, alike.rule_id, alike.keys, k.key, (
             select min((l->>'maxConcurrentRuns')::bigint) from workflow_rules as r, jsonb_array_elements(r.rule->'limits') as l
             where r.tenant = alike.tenant and r.rule_id = alike.rule_id
               and starts_with(k.key, (l->>'id') || '/' || lower(substr(l->>'scope', 19)) || '/')
           ) - (select count(*) from queue_places as p where p.tenant = alike.tenant and p.key = k.key) as free
         from alike, unnest(alike.keys) as k (key)
       ), open as (
         select tenant, rule_id, keys, least(min(free), $2::bigint) as free from places
         group by tenant, rule_id, keys having coalesce(min(free), 1) > 0
       ), next as (
         select open.tenant, open.rule_id, open.keys, n.* from open, lateral (
           select q.run_id, q.priority, q.queued_at from run_queue as q
           where q.tenant = open.tenant and q.rule_id = open.rule_id and q.keys = open.keys and q.keys <> '{}'
             and q.started_at is null and q.claimed_until is null and q.not_before <= clock_timestamp()
           order by q.priority, q.queued_at limit open.free
         ) as n
       ), ranked as (
         select next.tenant, next.run_id, p.free, row_number() over (partition by p.tenant, p.key order by next.priority, next.queued_at, next.run_id) as rank
         from next join places as p on p.tenant = next.tenant and p.rule_id = next.rule_id and p.keys = next.keys
       ), limited as (
         select q.tenant, q.run_id, q.priority, q.queued_at
         from (select tenant, run_id from ranked group by tenant, run_id having bool_and(free is null or rank <= free)) as fits
           join run_queue as q on q.tenant = fits.tenant and q.run_id = fits.run_id
         for update of q skip locked
       ), due as (
         select tenant, run_id from (table unlimited union all table again union all table limited) as each
         order by priority, queued_at
         limit (select greatest(0, least(free, $2::bigint)) from room)
       ), claimed as (
         update run_queue as q set claimed_until = clock_timestamp() + make_interval(secs => $3)
         from due where q.tenant = due.tenant and q.run_id = due.run_id
         returning q.tenant, q.org, q.run_id, q.keys, q.priority, q.queued_at
       ), taken as (
         insert into queue_places (tenant, org, run_id, key) select tenant, org, run_id, unnest(keys) from claimed where keys <> '{}' on conflict do nothing
       )
       select tenant, run_id as "runId", priority, queued_at as "queuedAt" from claimed`,
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
