import type { PageCursor } from "../tenancy/page-token.ts";
import type { Transaction } from "../tenancy/transaction.ts";
import type { RunRow } from "./run-store.ts";
import { runColumns } from "./run-store.ts";

/** A run, and how far its events go. */
export type RunView = RunRow & { readonly lastSequence: number };

const select = `select ${runColumns}, s.last_sequence as "lastSequence" from runs as r join run_streams s using (tenant, run_id)`;

export async function findRunView(
  transaction: Transaction,
  tenant: string,
  runId: string,
): Promise<RunView | undefined> {
  const { rows } = await transaction.query<RunView>(`${select} where r.tenant = $1 and r.run_id = $2`, [tenant, runId]);
  return rows[0];
}

/** Runs of the bound tenant, newest first, after a cursor. Null in the filter: any. */
export async function listRunViews(
  transaction: Transaction,
  tenant: string,
  filter: {
    readonly status: string | null;
    readonly profileId: string | null;
    readonly reference: { readonly kind: string; readonly id: string } | null;
  },
  after: PageCursor | undefined,
  limit: number,
): Promise<RunView[]> {
  const { rows } = await transaction.query<RunView>(
    `${select}
     where r.tenant = $1 and ($2::text is null or r.status = $2) and ($3::text is null or r.profile_id = $3)
       and ($4::text is null or exists (select 1 from run_references f where f.tenant = r.tenant and f.run_id = r.run_id and f.kind = $4 and f.id = $5))
       and ($6::timestamptz is null or (r.created_at, r.run_id) < ($6, $7::uuid))
     order by r.created_at desc, r.run_id desc limit $8`,
    [
      tenant,
      filter.status,
      filter.profileId,
      filter.reference?.kind ?? null,
      filter.reference?.id ?? null,
      after?.at ?? null,
      after?.id ?? null,
      limit,
    ],
  );
  return rows;
}
