import type { RunStatus } from "../runs/run-status.ts";
import type { Found } from "../seal/reconcile/judge-lost-run.ts";
import type { Transaction } from "../tenancy/transaction.ts";

export interface OpenRuns {
  readonly status: RunStatus;
  readonly count: number;
  readonly oldestAt: Date;
  /** The workflow is not started yet. */
  readonly waiting: number;
  /** The workflow is started and has not begun the run. */
  readonly starting: number;
}

/** Runs that have not ended, by status. */
export async function countOpenRuns(transaction: Transaction, tenant: string): Promise<OpenRuns[]> {
  const { rows } = await transaction.query<OpenRuns>(
    `select r.status, count(*)::int as count, min(r.created_at) as "oldestAt", count(*) filter (where q.run_id is not null and q.started_at is null)::int as waiting,
       count(q.started_at)::int as starting
     from runs as r left join run_queue as q on q.tenant = r.tenant and q.run_id = r.run_id
     where r.tenant = $1 and r.status = any($2) group by r.status order by array_position($2, r.status)`,
    [tenant, openStatuses],
  );
  return rows;
}

const openStatuses: readonly RunStatus[] = ["QUEUED", "ADMITTED", "PREPARING", "RUNNING", "EVALUATING", "SEALING"];

export interface WaitingRun {
  readonly runId: string;
  readonly priority: number;
  readonly queuedAt: Date;
  readonly ruleId: string | null;
  /** The key of a limit or a hold, as the last claim left it. */
  readonly blockedBy: string | null;
  /** After a refused start. */
  readonly notBefore: Date | null;
}

/** Runs that nobody is starting yet, by priority and age, at most 50. */
export async function listWaiting(transaction: Transaction, tenant: string): Promise<WaitingRun[]> {
  const { rows } = await transaction.query<WaitingRun>(
    `select q.run_id as "runId", q.priority, q.queued_at as "queuedAt", q.rule_id as "ruleId", l.blocked_by as "blockedBy",
       case when q.not_before > '-infinity' then q.not_before end as "notBefore"
     from (
       select * from run_queue where tenant = $1 and started_at is null and claimed_until is null order by priority, queued_at, run_id limit 50
     ) as q left join queue_lanes as l on l.tenant = q.tenant and l.lane = q.lane
     order by q.priority, q.queued_at, q.run_id`,
    [tenant],
  );
  return rows;
}

export interface HeldUp extends Found {
  readonly runId: string;
  readonly status: RunStatus;
  readonly since: Date;
  readonly due: boolean;
}

/** Runs without progress, oldest first, at most 200. */
export async function listHeldUp(transaction: Transaction, tenant: string): Promise<HeldUp[]> {
  const { rows } = await transaction.query<HeldUp>(
    `select c.run_id as "runId", r.status, c.generation, c.finding, c.detail, c.found_at as since, c.due_at is not null as due
     from reconciliations as c join runs as r on r.tenant = c.tenant and r.run_id = c.run_id and r.generation = c.generation
     where c.tenant = $1 and r.ended_at is null order by c.found_at limit 200`,
    [tenant],
  );
  return rows;
}

export interface LimitUse {
  readonly key: string;
  readonly running: number;
  readonly waiting: number;
  readonly maxConcurrentRuns: number[];
}

/** Limits under which runs go on or wait, the most wanted first, at most 200. */
export async function listLimits(transaction: Transaction, tenant: string): Promise<LimitUse[]> {
  const { rows } = await transaction.query<LimitUse>(
    `with uses as (
       select key, count(*)::int as running, 0 as waiting from queue_places where tenant = $1 group by key
       union all
       select k.key, 0, sum(l.waiting)::int from queue_lanes as l, unnest(l.keys) as k (key) where l.tenant = $1 and l.waiting > 0 group by k.key
     )
     select key, sum(running)::int as running, sum(waiting)::int as waiting, array(
       select distinct (l->>'maxConcurrentRuns')::int from workflow_rules as r, jsonb_array_elements(r.rule->'limits') as l
       where r.tenant = $1 and starts_with(uses.key, (l->>'id') || '/' || lower(substr(l->>'scope', 19)) || '/') order by 1
     ) as "maxConcurrentRuns"
     from uses group by key order by waiting desc, key limit 200`,
    [tenant],
  );
  return rows;
}
