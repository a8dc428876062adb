import type { ProfileJson } from "../gen/governance/v1/profile_pb.ts";
import type { Transaction } from "../tenancy/transaction.ts";

export interface StoredProfile {
  readonly id: string;
  readonly version: string;
  readonly digest: string;
  readonly profile: ProfileJson;
}

const columns = `profile_id as id, version, digest, profile`;

/** The version, or the newest one when none is named. */
export async function findProfile(
  transaction: Transaction,
  tenant: string,
  id: string,
  version?: string,
): Promise<StoredProfile | undefined> {
  const { rows } = await transaction.query<StoredProfile>(
    `select ${columns} from methodology_profiles
     where tenant = $1 and profile_id = $2 and ($3::text is null or version = $3) order by ordinal desc limit 1`,
    [tenant, id, version === "" ? null : (version ?? null)],
  );
  return rows[0];
}

/** Every version of the tenant, newest first. */
export async function readProfiles(transaction: Transaction, tenant: string): Promise<StoredProfile[]> {
  const { rows } = await transaction.query<StoredProfile>(
    `select ${columns} from methodology_profiles where tenant = $1 order by ordinal desc`,
    [tenant],
  );
  return rows;
}

/** @returns false when the version was there */
export async function insertProfile(
  transaction: Transaction,
  stored: StoredProfile & { readonly tenant: string; readonly publishedBy: string },
): Promise<boolean> {
  const { rowCount } = await transaction.query(
    `insert into methodology_profiles (tenant, profile_id, version, profile, digest, published_by)
     values ($1, $2, $3, $4, $5, $6) on conflict do nothing`,
    [stored.tenant, stored.id, stored.version, JSON.stringify(stored.profile), stored.digest, stored.publishedBy],
  );
  return rowCount === 1;
}
