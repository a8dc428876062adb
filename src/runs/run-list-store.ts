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

const selectRuns = `select ${runColumns}, s.last_sequence as "lastSequence" from runs as r join run_streams as s using (tenant, run_id)`;

/** Runs, newest first, at most `limit`. */
export async function listRuns(
  transaction: Transaction,
  tenant: string,
  filter: RunFilter,
  after: PageCursor | undefined,
  limit: number,
): Promise<RunWithHead[]> {
  const { rows } = await transaction.query<RunWithHead>(
    `${selectRuns}
     where r.tenant = $1 and ($2::text is null or r.status = $2) and ($3::text is null or r.profile_id = $3)
       and ($4::text is null or exists (
         select from run_references f where f.tenant = r.tenant and f.run_id = r.run_id and f.kind = $4 and f.id = $5))
       and ($6::timestamptz is null or (r.created_at <= $6 and (r.created_at < $6 or r.run_id > $7::uuid)))
       and ($9::uuid is null or r.run_id between $9 and $10::uuid)
     order by r.created_at desc, r.run_id limit $8`,
    [
      tenant,
      filter.status,
      filter.profileId,
      filter.reference?.kind ?? null,
      filter.reference?.id ?? null,
      after?.at ?? null,
      after?.id ?? null,
      limit,
      filter.ids?.first ?? null,
      filter.ids?.last ?? null,
    ],
  );
  return rows;
}

/** The run with its last sequence, or undefined when the bound scope has no such run. */
export async function findRunWithHead(
  transaction: Transaction,
  tenant: string,
  runId: string,
): Promise<RunWithHead | undefined> {
  const { rows } = await transaction.query<RunWithHead>(`${selectRuns} where r.tenant = $1 and r.run_id = $2`, [
    tenant,
    runId,
  ]);
  return rows[0];
}
