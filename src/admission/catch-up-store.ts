import type { Transaction } from "../tenancy/transaction.ts";

/** When the newest request became a run; undefined when none did. */
export async function newestAcceptedAt(transaction: Transaction): Promise<Date | undefined> {
  const { rows } = await transaction.query<{ at: Date | null }>("select max(created_at) as at from runs");
  return rows[0]?.at ?? undefined;
}

export interface KnownRun {
  readonly runId: string;
  readonly status: string;
  readonly generation: number;
  readonly hasEnded: boolean;
}

export async function findKnownRuns(
  transaction: Transaction,
  wanted: readonly { readonly tenant: string; readonly runId: string }[],
): Promise<ReadonlyMap<string, KnownRun>> {
  const { rows } = await transaction.query<KnownRun>(
    `select r.run_id as "runId", r.status, r.generation, r.ended_at is not null as "hasEnded"
     from unnest($1::text[], $2::uuid[]) as wanted (tenant, run_id) join runs as r on r.tenant = wanted.tenant and r.run_id = wanted.run_id`,
    [wanted.map(({ tenant }) => tenant), wanted.map(({ runId }) => runId)],
  );
  return new Map(rows.map((row) => [row.runId, row]));
}
