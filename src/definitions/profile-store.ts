import type { ProfileJson } from "../gen/governance/v1/profile_pb.ts";
import type { LookUp, Transaction } from "../tenancy/transaction.ts";
import { wantedRows, wantedValues } from "../tenancy/wanted-rows-store.ts";

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

/** Profiles by id and version, or the newest of an id. */
export const lookUpProfiles: LookUp<StoredProfile> = async (transaction, wanted) => {
  const { rows } = await transaction.query<StoredProfile & { index: number }>(
    `select wanted.index, found.* from ${wantedRows}
     cross join lateral (
       select ${columns} from methodology_profiles p
       where p.tenant = wanted.tenant and p.profile_id = wanted.id and (wanted.version = '' or p.version = wanted.version)
       order by p.ordinal desc limit 1
     ) as found`,
    wantedValues(wanted),
  );
  return rows.map(({ index, ...value }) => ({ index, value }));
};

/** The newest version of each by id, at most `limit` of those after one. */
export async function readNewestProfiles(
  transaction: Transaction,
  tenant: string,
  after: string | undefined,
  limit: number,
): Promise<ProfileJson[]> {
  const { rows } = await transaction.query<{ profile: ProfileJson }>(
    `select distinct on (profile_id) profile from methodology_profiles
     where tenant = $1 and ($2::text is null or profile_id > $2) order by profile_id, ordinal desc limit $3`,
    [tenant, after ?? null, limit],
  );
  return rows.map(({ profile }) => profile);
}

/** @returns false when the version exists already */
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
