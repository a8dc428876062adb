import type { ReferencesJson, RefJson } from "../gen/automation/v1/ref_pb.ts";
import type { Transaction } from "../tenancy/transaction.ts";
import type { RunRow } from "./run-store.ts";

/** Indexes runs by references and their parents; what is indexed already stays. */
export async function insertReferences(
  transaction: Transaction,
  runs: readonly {
    readonly run: Pick<RunRow, "tenant" | "org" | "runId" | "createdAt">;
    readonly refs: readonly RefJson[];
  }[],
): Promise<void> {
  await transaction.query(insert, [rowsOf(runs)]);
}

const insert = `
  insert into run_references (tenant, org, run_id, created_at, kind, id)
  select * from jsonb_to_recordset($1) as r(tenant text, org text, "runId" uuid, "createdAt" timestamptz, kind text, id text)
  on conflict do nothing`;

const rowsOf = (runs: Parameters<typeof insertReferences>[1]): string =>
  JSON.stringify(
    runs.flatMap(({ run: { tenant, org, runId, createdAt }, refs }) =>
      refs.flatMap(withParents).map(({ kind, id }) => ({ tenant, org, runId, createdAt, kind, id })),
    ),
  );

/** Replaces the references of a run and indexes the added ones. The caller holds the stream's lock. */
export async function updateReferences(
  transaction: Transaction,
  run: Pick<RunRow, "tenant" | "org" | "runId" | "createdAt">,
  references: ReferencesJson,
  added: readonly RefJson[],
): Promise<void> {
  await transaction.query(
    `with replaced as (
       update runs set "references" = $2 where (tenant, run_id) = ($3, $4)
     ) ${insert}`,
    [rowsOf([{ run, refs: added }]), JSON.stringify(references), run.tenant, run.runId],
  );
}

function withParents(ref: RefJson): RefJson[] {
  return ref.parent === undefined ? [ref] : [ref, ...withParents(ref.parent)];
}
