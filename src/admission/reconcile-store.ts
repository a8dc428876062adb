import type { ExaminedRun } from "../runs/unexamined-run-store.ts";
import { takeUnexamined } from "../runs/unexamined-run-store.ts";
import type { Finding } from "../seal/reconcile/judge-lost-run.ts";
import type { Transaction } from "../tenancy/transaction.ts";

/** A finding about a run, and when the api acts on it. */
export interface Note extends Omit<ExaminedRun, "hasBegun"> {
  readonly finding: Finding;
  readonly detail: string;
  /** 0: at once. More: when it is found again this many seconds later. Null: never, it is only shown. */
  readonly actAfterSeconds: number | null;
}

/** Deletes findings that are only shown and were not found again for so many seconds: the run goes on, or has ended. */
export async function forgetUnseen(transaction: Transaction, seconds: number): Promise<void> {
  await transaction.query(
    "delete from reconciliations where due_at is null and seen_at <= clock_timestamp() - make_interval(secs => $1)",
    [seconds],
  );
}

/**
 * Takes started runs that were not examined for so many seconds. Replicas never get the same run.
 * @returns those without an event for as long; findings about the others that are only shown are deleted
 */
export async function takeSilentRuns(
  transaction: Transaction,
  silentSeconds: number,
  atMost: number,
): Promise<ExaminedRun[]> {
  const rows = await takeUnexamined(transaction, silentSeconds, atMost);
  const heard = rows.filter(({ isSilent }) => !isSilent);
  if (heard.length > 0)
    await transaction.query(
      `delete from reconciliations as c using unnest($1::text[], $2::uuid[]) as heard (tenant, run_id)
       where c.tenant = heard.tenant and c.run_id = heard.run_id and c.due_at is null`,
      [heard.map(({ tenant }) => tenant), heard.map(({ runId }) => runId)],
    );
  return rows.filter(({ isSilent }) => isSilent);
}

/** Runs whose time limit passed so many seconds ago, without a due finding. */
export async function findOverdueRuns(
  transaction: Transaction,
  graceSeconds: number,
  atMost: number,
): Promise<ExaminedRun[]> {
  const { rows } = await transaction.query<ExaminedRun>(
    `select r.tenant, r.org, r.run_id as "runId", r.generation, r.begun_at is not null as "hasBegun" from runs as r
     where r.due_at <= clock_timestamp() - make_interval(secs => $1)
       and not exists (select from reconciliations c where c.tenant = r.tenant and c.run_id = r.run_id and c.due_at is not null)
     order by r.due_at limit $2`,
    [graceSeconds, atMost],
  );
  return rows;
}

/**
 * Records findings, one a run. A due finding of the same generation is kept as it is.
 * @returns the notes that are new
 */
export async function noteFindings(transaction: Transaction, notes: readonly Note[]): Promise<Note[]> {
  if (notes.length === 0) return [];
  const { rows } = await transaction.query<{ tenant: string; runId: string; isNew: boolean }>(
    `insert into reconciliations as c (tenant, org, run_id, generation, finding, detail, found_at, seen_at, due_at)
     select n.tenant, n.org, n."runId", n.generation, n.finding, n.detail, case when same then k.found_at else now() end, now(),
       case when n."actAfterSeconds" = 0 or same and k.found_at <= now() - make_interval(secs => n."actAfterSeconds") then now() end
     from jsonb_to_recordset($1) as n(tenant text, org text, "runId" uuid, generation int, finding text, detail text, "actAfterSeconds" float8)
     left join reconciliations as k on k.tenant = n.tenant and k.run_id = n."runId",
     lateral (select k.generation = n.generation and k.finding = n.finding as same) as compared
     on conflict (tenant, run_id) do update set generation = excluded.generation, finding = excluded.finding, detail = excluded.detail,
       found_at = excluded.found_at, seen_at = excluded.seen_at, due_at = excluded.due_at, attempts = 0
     where c.due_at is null or c.generation <> excluded.generation
     returning tenant, run_id as "runId", found_at = seen_at as "isNew"`,
    [JSON.stringify(notes)],
  );
  const fresh = new Set(rows.filter(({ isNew }) => isNew).map(keyOf));
  return notes.filter((note) => fresh.has(keyOf(note)));
}

const keyOf = ({ tenant, runId }: { tenant: string; runId: string }): string => `${tenant}/${runId}`;
