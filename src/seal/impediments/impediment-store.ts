import type { VerdictLineJson } from "../../gen/automation/v1/verdict_pb.ts";
import type { Transaction } from "../../tenancy/transaction.ts";

export interface ImpedimentRow {
  readonly impedimentId: string;
  readonly cause: string;
  readonly summary: string;
  readonly occurrences: number;
  readonly remoteId: string;
}

/** One occurrence of a cause on a work item. */
export interface Occurrence {
  readonly tenant: string;
  readonly org: string;
  readonly method: string;
  /** `<kind>/<id>` of the work item. */
  readonly workItem: string;
  readonly cause: string;
  readonly summary: string;
  readonly lines: readonly VerdictLineJson[];
  readonly runId: string;
  readonly at: Date;
}

/** Counts an occurrence; the first one creates the record. @param newId - id of a new record */
export async function countOccurrence(
  transaction: Transaction,
  newId: string,
  occurrence: Occurrence,
): Promise<{ impedimentId: string; occurrences: number }> {
  const { tenant, org, method, workItem, cause, summary, lines, runId, at } = occurrence;
  const { rows } = await transaction.query<{ impedimentId: string; occurrences: number }>(
    `insert into impediments as i (tenant, impediment_id, org, method, work_item, cause, summary, lines, occurrences, state, last_run_id, created_at, updated_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, 1, 'OPEN', $9, $10, $10)
     on conflict (tenant, org, method, work_item, cause) do update set summary = excluded.summary, lines = excluded.lines,
       occurrences = i.occurrences + 1, last_run_id = excluded.last_run_id, updated_at = excluded.updated_at
     returning impediment_id as "impedimentId", occurrences`,
    [tenant, newId, org, method, workItem, cause, summary, JSON.stringify(lines), runId, at],
  );
  const [counted] = rows;
  if (counted === undefined) throw new Error("an upsert returned no row");
  return counted;
}

/** Stores the id that the receiver gave the impediment. */
export async function setRemoteId(
  transaction: Transaction,
  tenant: string,
  impedimentId: string,
  remoteId: string,
): Promise<void> {
  await transaction.query("update impediments set remote_id = $3 where tenant = $1 and impediment_id = $2", [
    tenant,
    impedimentId,
    remoteId,
  ]);
}

/** The record of a cause on a work item, whichever runs it occurred in. */
export async function findImpediment(
  transaction: Transaction,
  of: Pick<Occurrence, "tenant" | "org" | "method" | "workItem" | "cause">,
): Promise<ImpedimentRow | undefined> {
  const { rows } = await transaction.query<ImpedimentRow>(
    `select impediment_id as "impedimentId", cause, summary, occurrences, remote_id as "remoteId"
     from impediments where tenant = $1 and org = $2 and method = $3 and work_item = $4 and cause = $5`,
    [of.tenant, of.org, of.method, of.workItem, of.cause],
  );
  return rows[0];
}
