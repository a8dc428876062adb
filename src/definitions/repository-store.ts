import type { RepositoryJson } from "../gen/workflows_runtime/v1/repository_pb.ts";
import type { LookUp, Transaction } from "../tenancy/transaction.ts";
import { wantedRows, wantedValues } from "../tenancy/wanted-rows-store.ts";

/** Repositories of a tenant by id, at most `limit` of those after one. */
export async function readRepositories(
  transaction: Transaction,
  tenant: string,
  after: string | undefined,
  limit: number,
): Promise<RepositoryJson[]> {
  const { rows } = await transaction.query<{ repository: RepositoryJson }>(
    `select repository from repositories
     where tenant = $1 and ($2::text is null or repository_id > $2) order by repository_id limit $3`,
    [tenant, after ?? null, limit],
  );
  return rows.map((row) => row.repository);
}

/** Repositories by id. */
export const lookUpRepositories: LookUp<RepositoryJson> = async (transaction, wanted) => {
  const { rows } = await transaction.query<{ index: number; value: RepositoryJson }>(
    `select wanted.index, r.repository as value from ${wantedRows}
     join repositories r on r.tenant = wanted.tenant and r.repository_id = wanted.id`,
    wantedValues(wanted),
  );
  return rows;
};

export async function upsertRepository(
  transaction: Transaction,
  put: { readonly tenant: string; readonly id: string; readonly repository: RepositoryJson; readonly by: string },
): Promise<void> {
  await transaction.query(
    `insert into repositories (tenant, repository_id, repository, updated_by) values ($1, $2, $3, $4)
     on conflict (tenant, repository_id) do update
     set repository = excluded.repository, updated_by = excluded.updated_by, updated_at = now()`,
    [put.tenant, put.id, JSON.stringify(put.repository), put.by],
  );
}
