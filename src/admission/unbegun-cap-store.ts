import type { Transaction } from "../tenancy/transaction.ts";

/** Advisory lock that all replicas take before they count the places. */
const placesLock = 7_041_001;

/**
 * Waits until no other claim is made, lets refused starts whose pause is over wait again, and counts the free places.
 * @returns how many runs may be claimed, of all replicas together
 */
export async function lockRoom(transaction: Transaction, maxUnbegun: number): Promise<number> {
  const [, { rows }] = await Promise.all([
    transaction.query("select set_config('synchronous_commit', 'off', true), pg_advisory_xact_lock($1)", [placesLock]),
    transaction.query<{ room: number }>(
      `with over as (
         update run_queue set not_before = '-infinity' where not_before > '-infinity' and not_before <= clock_timestamp()
       )
       select $1::int - count(*)::int as room from run_queue
       where claimed_until is not null and (started_at is not null or claimed_until > clock_timestamp())`,
      [maxUnbegun],
    ),
  ]);
  return rows[0]?.room ?? 0;
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
