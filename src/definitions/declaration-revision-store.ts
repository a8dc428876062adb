import type { Transaction } from "../tenancy/transaction.ts";

/** Tells every cache that the tenant's declarations changed. Called in the transaction of the change. */
export async function bumpRevision(transaction: Transaction, tenant: string): Promise<void> {
  await transaction.query(
    `insert into declaration_revisions (tenant) values ($1)
     on conflict (tenant) do update set revision = declaration_revisions.revision + 1`,
    [tenant],
  );
}

/** Revision per tenant; a tenant that never declared anything is absent. */
export async function readRevisions(
  transaction: Transaction,
  tenants: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await transaction.query<{ tenant: string; revision: number }>(
    "select tenant, revision from declaration_revisions where tenant = any($1)",
    [tenants],
  );
  return new Map(rows.map((row) => [row.tenant, row.revision]));
}
