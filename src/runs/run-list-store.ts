import type { PageCursor } from "../tenancy/page-token.ts";
import type { Transaction } from "../tenancy/transaction.ts";
import type { IdRange } from "../tenancy/uuid.ts";
import type { RunWithHead } from "./run-json.ts";
import type { RunStatus } from "./run-status.ts";
import { runColumns } from "./run-store.ts";

/** Null: no filter. */
export interface RunFilter {
  readonly status: RunStatus | null;
  readonly profileId: string | null;
  readonly reference: { readonly kind: string; readonly id: string } | null;
  readonly ids: IdRange | null;
}

const columns = `${runColumns}, s.last_sequence as "lastSequence"`;

/**
 * Runs, newest first, at most `limit`. Those of a reference are read from the index of references, which has them in this order.
 */
export async function listRuns(
  transaction: Transaction,
  tenant: string,
  filter: RunFilter,
  after: PageCursor | undefined,
  limit: number,
): Promise<RunWithHead[]> {
  const { status, profileId, reference, ids } = filter;
  const values: unknown[] = [];
  const $ = (value: unknown): string => `$${values.push(value)}`;
  const [first, from] =
    reference === null ? ["r", "runs as r"] : ["f", "run_references as f join runs as r using (tenant, run_id)"];
  const conditions = [
    `${first}.tenant = ${$(tenant)}`,
    ...(reference === null ? [] : [`f.kind = ${$(reference.kind)} and f.id = ${$(reference.id)}`]),
    ...(status === null ? [] : [`r.status = ${$(status)}`]),
    ...(profileId === null ? [] : [`r.profile_id = ${$(profileId)}`]),
    ...(ids === null ? [] : [`${first}.run_id between ${$(ids.first)} and ${$(ids.last)}`]),
  ];
  if (after !== undefined) {
    const at = $(after.at);
    conditions.push(
      `${first}.created_at <= ${at} and (${first}.created_at < ${at} or ${first}.run_id > ${$(after.id)})`,
    );
  }
  const { rows } = await transaction.query<RunWithHead>(
    `select ${columns} from ${from} join run_streams as s on s.tenant = r.tenant and s.run_id = r.run_id
     where ${conditions.join(" and ")} order by ${first}.created_at desc, ${first}.run_id limit ${$(limit)}`,
    values,
  );
  return rows;
}

/** The run with its last sequence, or undefined when the bound scope has no such run. */
export async function findRunWithHead(
  transaction: Transaction,
  tenant: string,
  runId: string,
): Promise<RunWithHead | undefined> {
  const { rows } = await transaction.query<RunWithHead>(
    `select ${columns} from runs as r join run_streams as s using (tenant, run_id) where r.tenant = $1 and r.run_id = $2`,
    [tenant, runId],
  );
  return rows[0];
}
