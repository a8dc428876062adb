import type { RunStatus } from "../../runs/run-status.ts";
import type { Transaction } from "../../tenancy/transaction.ts";
import type { Found } from "./judge-lost-run.ts";

/** The run of a due finding. */
export interface ClaimedReconciliation {
  readonly tenant: string;
  readonly org: string;
  readonly runId: string;
}

/** Claims due findings of all tenants for 10 s, longer with every attempt; each is acted on in the scope of its own tenant. */
export async function claimDueReconciliations(
  transaction: Transaction,
  atMost: number,
): Promise<ClaimedReconciliation[]> {
  const { rows } = await transaction.query<ClaimedReconciliation>(
    'select tenant, org, run_id as "runId" from claim_due_reconciliations($1)',
    [atMost],
  );
  return rows;
}

export async function findReconciliation(
  transaction: Transaction,
  run: { readonly tenant: string; readonly runId: string },
): Promise<Found | undefined> {
  const { rows } = await transaction.query<Found>(
    "select generation, finding, detail from reconciliations where tenant = $1 and run_id = $2",
    [run.tenant, run.runId],
  );
  return rows[0];
}

export async function forgetReconciliation(
  transaction: Transaction,
  run: { readonly tenant: string; readonly runId: string },
): Promise<void> {
  await transaction.query("delete from reconciliations where tenant = $1 and run_id = $2", [run.tenant, run.runId]);
}

export interface OpenRuns {
  readonly status: RunStatus;
  readonly count: number;
  readonly oldestAt: Date;
  readonly waiting: number;
  readonly starting: number;
}

/** Runs without an end, by state. */
export async function countOpenRuns(transaction: Transaction, tenant: string): Promise<OpenRuns[]> {
  const { rows } = await transaction.query<OpenRuns>(
    `select status, count(*)::int as count, min(created_at) as "oldestAt", count(*) filter (where started_at is null)::int as waiting,
       count(*) filter (where started_at is not null and begun_at is null)::int as starting
     from runs where tenant = $1 and status = any($2) group by status order by array_position($2, status)`,
    [tenant, openStatuses],
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

const openStatuses: readonly RunStatus[] = ["QUEUED", "ADMITTED", "PREPARING", "RUNNING", "EVALUATING", "SEALING"];
