import type { Transaction } from "../tenancy/transaction.ts";
import type { RunToStart } from "./workflows.ts";

/** One key for all replicas: who claims counts first, and nobody else does meanwhile. */
const claimLock = 7_041_001;

/** A claim lasts so long, in database time; a start is limited to half of it. */
const claimSeconds = 10;

/**
 * Claims runs that are to be started, the first time or anew, by priority and age.
 * Over all replicas, those claimed and those started whose workflow has not begun stay at most `maxUnbegun`.
 */
export async function claimRuns(
  transaction: Transaction,
  limits: { readonly maxUnbegun: number; readonly atMost: number },
): Promise<RunToStart[]> {
  const [, claimed] = await Promise.all([
    transaction.query("select pg_advisory_xact_lock($1)", [claimLock]),
    transaction.query<ClaimedRow>(
      `with room as (
         select $1::bigint
           - (select count(*) from runs where started_at is not null and begun_at is null and ended_at is null)
           - (select count(*) from runs where started_at is null and ended_at is null and claimed_until > clock_timestamp()) as free
       ), due as (
         select tenant, run_id from runs
         where started_at is null and ended_at is null and status <> 'QUEUED' and (claimed_until is null or claimed_until <= clock_timestamp())
         order by priority, created_at
         limit (select greatest(0, least(free, $2::bigint)) from room)
         for update skip locked
       )
       update runs as r set claimed_until = clock_timestamp() + make_interval(secs => $3)
       from due where r.tenant = due.tenant and r.run_id = due.run_id
       returning r.tenant, r.org, r.run_id as "runId", r.generation, r.start_capability as "startCapability", r.priority,
         r.queue_limit_seconds as "queueLimitSeconds", r.work_limit_seconds as "workLimitSeconds", r.handoff_limit_seconds as "handoffLimitSeconds", r.event_id as "eventId",
         r.definition_id as "definitionId", r.definition_version as "definitionVersion", r.profile_id as "profileId",
         r.profile_version as "profileVersion", r.cadence_id as "cadenceId", r."references", r.traceparent, r.tracestate, r.shown,
         r.created_at as "createdAt"`,
      [limits.maxUnbegun, limits.atMost, claimSeconds],
    ),
  ]);
  return claimed.rows
    .sort((a, b) => a.priority - b.priority || a.createdAt.getTime() - b.createdAt.getTime())
    .map(({ createdAt: _, shown, ...run }) => ({ ...run, goal: shown?.goal ?? "", personas: shown?.personas ?? [] }));
}

interface ClaimedRow extends Omit<RunToStart, "goal" | "personas"> {
  readonly shown: Pick<RunToStart, "goal" | "personas"> | null;
  readonly createdAt: Date;
}

/** Writes that these runs have their workflow. */
export async function markStarted(transaction: Transaction, runs: readonly RunKey[]): Promise<void> {
  await transaction.query(
    `update runs as r set started_at = clock_timestamp(), examined_at = clock_timestamp(), claimed_until = null
     from unnest($1::text[], $2::uuid[]) as started (tenant, run_id)
     where r.tenant = started.tenant and r.run_id = started.run_id and r.started_at is null and r.ended_at is null`,
    columns(runs),
  );
}

/** Gives claims back before they end. */
export async function giveBack(transaction: Transaction, runs: readonly RunKey[]): Promise<void> {
  await transaction.query(
    `update runs as r set claimed_until = null
     from unnest($1::text[], $2::uuid[]) as given (tenant, run_id)
     where r.tenant = given.tenant and r.run_id = given.run_id and r.started_at is null and r.ended_at is null`,
    columns(runs),
  );
}

export type RunKey = Pick<RunToStart, "tenant" | "runId">;

const columns = (runs: readonly RunKey[]) => [runs.map((run) => run.tenant), runs.map((run) => run.runId)];
