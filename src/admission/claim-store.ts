import type { Transaction } from "../tenancy/transaction.ts";
import type { RunToStart } from "./workflows.ts";

export type RunKey = Pick<RunToStart, "tenant" | "runId">;

/** Pauses after refused starts, in seconds: each is as long as the run was refused so far, within these bounds. A finding that is not seen for 60 s is forgotten. */
const shortestPause = 10;
const longestPause = 40;

/** A later generation has no keys, and keeps its places. */
const freePlaces = `delete from queue_places as p using given where given.keys <> '{}' and p.tenant = given.tenant and p.run_id = given.run_id`;

/** Records that Temporal has the workflows of these runs, and deletes findings that it refused them. */
export async function markStarted(transaction: Transaction, runs: readonly RunKey[]): Promise<void> {
  await transaction.query(
    `with started as (
       update run_queue as q set started_at = clock_timestamp()
       from unnest($1::text[], $2::uuid[]) as started (tenant, run_id)
       where q.tenant = started.tenant and q.run_id = started.run_id and q.claimed_until is not null and q.started_at is null
       returning q.tenant, q.run_id
     )
     delete from reconciliations as c using started
     where c.tenant = started.tenant and c.run_id = started.run_id and c.finding = 'start_refused'`,
    columns(runs),
  );
}

/** Gives claims back before they end, and the places under limits with them. */
export async function giveBack(transaction: Transaction, runs: readonly RunKey[]): Promise<void> {
  await transaction.query(
    `with given as (
       update run_queue as q set claimed_until = null
       from unnest($1::text[], $2::uuid[]) as given (tenant, run_id)
       where q.tenant = given.tenant and q.run_id = given.run_id and q.started_at is null
       returning q.tenant, q.run_id, q.keys
     )
     ${freePlaces}`,
    columns(runs),
  );
}

/** Gives back the claim of a run whose start was refused; it is claimed again after 10, 10, 20, 40, 40 … s at the earliest. The finding is written before. */
export async function postponeStart(transaction: Transaction, { tenant, runId }: RunKey): Promise<void> {
  await transaction.query(
    `with given as (
       update run_queue as q set claimed_until = null, not_before = clock_timestamp() + make_interval(secs => least($4, greatest($3::float8, (
       select extract(epoch from clock_timestamp() - c.found_at) from reconciliations as c
       where c.tenant = q.tenant and c.run_id = q.run_id and c.finding = 'start_refused'
     ))))
     where tenant = $1 and run_id = $2 and started_at is null
       returning q.tenant, q.run_id, q.keys
     )
     ${freePlaces}`,
    [tenant, runId, shortestPause, longestPause],
  );
}

const columns = (runs: readonly RunKey[]) => [runs.map((run) => run.tenant), runs.map((run) => run.runId)];
