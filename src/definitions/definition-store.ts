import type { AutomationPlanJson } from "../gen/automation/v1/automation_plan_pb.ts";
import type { LookUp, Transaction } from "../tenancy/transaction.ts";
import { wantedRows, wantedValues } from "../tenancy/wanted-rows-store.ts";

export interface StoredVersion {
  readonly definitionId: string;
  readonly version: string;
  readonly digest: string;
  readonly plan: AutomationPlanJson;
}

export interface StoredDefinition {
  readonly id: string;
  readonly title: string;
  /** Channel name → version. */
  readonly channels: Readonly<Record<string, string>>;
  readonly versions: readonly string[];
}

const columns = `v.definition_id as "definitionId", v.version, v.digest, v.plan`;

/** By version, or by channel (`stable` when neither is named). */
export async function findVersion(
  transaction: Transaction,
  tenant: string,
  selector: { readonly id: string; readonly version?: string; readonly channel?: string },
): Promise<StoredVersion | undefined> {
  const { rows } = await transaction.query<StoredVersion>(
    `select ${columns} from workflow_versions v join workflow_definitions d using (tenant, definition_id)
     where v.tenant = $1 and v.definition_id = $2 and v.version = coalesce($3, d.channels->>$4)`,
    [tenant, selector.id, selector.version ?? null, selector.channel ?? defaultChannel],
  );
  return rows[0];
}

/** The channel of a definition that is named without version or channel. */
export const defaultChannel = "stable";

/** Versions by definition and version. */
export const lookUpVersions: LookUp<StoredVersion> = async (transaction, wanted) => {
  const { rows } = await transaction.query<StoredVersion & { index: number }>(
    `select wanted.index, ${columns} from ${wantedRows}
     join workflow_versions v on v.tenant = wanted.tenant and v.definition_id = wanted.id and v.version = wanted.version`,
    wantedValues(wanted),
  );
  return rows.map(({ index, ...value }) => ({ index, value }));
};

/** Channels by definition. */
export const lookUpChannels: LookUp<StoredDefinition["channels"]> = async (transaction, wanted) => {
  const { rows } = await transaction.query<{ index: number; value: StoredDefinition["channels"] }>(
    `select wanted.index, d.channels as value from ${wantedRows}
     join workflow_definitions d on d.tenant = wanted.tenant and d.definition_id = wanted.id`,
    wantedValues(wanted),
  );
  return rows;
};

/** Definitions by id, at most `limit` of those after one. */
export async function readDefinitions(
  transaction: Transaction,
  tenant: string,
  after: string | undefined,
  limit: number,
): Promise<StoredDefinition[]> {
  const { rows } = await transaction.query<StoredDefinition>(
    `select d.definition_id as id, d.title, d.channels,
            array(select v.version from workflow_versions v where v.tenant = d.tenant and v.definition_id = d.definition_id order by v.created_at) as versions
     from workflow_definitions d where d.tenant = $1 and ($2::text is null or d.definition_id > $2) order by d.definition_id limit $3`,
    [tenant, after ?? null, limit],
  );
  return rows;
}

/** @returns false when the version exists already */
export async function insertVersion(
  transaction: Transaction,
  stored: StoredVersion & { readonly tenant: string; readonly publishedBy: string },
): Promise<boolean> {
  const { rowCount } = await transaction.query(
    `insert into workflow_versions (tenant, definition_id, version, plan, digest, published_by)
     values ($1, $2, $3, $4, $5, $6) on conflict do nothing`,
    [
      stored.tenant,
      stored.definitionId,
      stored.version,
      JSON.stringify(stored.plan),
      stored.digest,
      stored.publishedBy,
    ],
  );
  return rowCount === 1;
}

/** Makes the definition known, and moves a channel when one is named. */
export async function upsertDefinition(
  transaction: Transaction,
  definition: {
    readonly tenant: string;
    readonly id: string;
    readonly title: string;
    readonly channels: Readonly<Record<string, string>>;
  },
): Promise<void> {
  await transaction.query(
    `insert into workflow_definitions as d (tenant, definition_id, title, channels) values ($1, $2, $3, $4)
     on conflict (tenant, definition_id) do update
     set channels = d.channels || excluded.channels, title = case excluded.title when '' then d.title else excluded.title end`,
    [definition.tenant, definition.id, definition.title, JSON.stringify(definition.channels)],
  );
}
