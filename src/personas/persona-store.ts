import type { PersonaManifestJson } from "../gen/agents/v1/agents_service_pb.ts";
import type { LookUp, Transaction } from "../tenancy/transaction.ts";
import { wantedRows, wantedValues } from "../tenancy/wanted-rows-store.ts";

/** A published version of a persona. */
export interface StoredPersona {
  readonly id: string;
  readonly version: string;
  /** sha256, lower-case hex, of the bundle's canonical tar. */
  readonly digest: string;
  readonly sizeBytes: number;
  readonly manifest: PersonaManifestJson;
  readonly objectKey: string;
  readonly publishedBy: string;
  readonly createdAt: Date;
}

const columns = `persona_id as id, version, digest, size_bytes as "sizeBytes", manifest, object_key as "objectKey",
  published_by as "publishedBy", created_at as "createdAt"`;

/** Every version of every persona, newest first. */
export async function readPersonas(transaction: Transaction, tenant: string): Promise<StoredPersona[]> {
  const { rows } = await transaction.query<StoredPersona>(
    `select ${columns} from personas where tenant = $1 order by ordinal desc`,
    [tenant],
  );
  return rows;
}

/** Personas by id and version, or the newest of an id. */
export const lookUpPersonas: LookUp<StoredPersona> = async (transaction, wanted) => {
  const { rows } = await transaction.query<StoredPersona & { index: number }>(
    `select wanted.index, found.* from ${wantedRows}
     cross join lateral (
       select ${columns} from personas p
       where p.tenant = wanted.tenant and p.persona_id = wanted.id and (wanted.version = '' or p.version = wanted.version)
       order by p.ordinal desc limit 1
     ) as found`,
    wantedValues(wanted),
  );
  return rows.map(({ index, ...value }) => ({ index, value }));
};

export async function findPersona(
  transaction: Transaction,
  tenant: string,
  { id, version }: { readonly id: string; readonly version: string },
): Promise<StoredPersona | undefined> {
  const { rows } = await transaction.query<StoredPersona>(
    `select ${columns} from personas where tenant = $1 and persona_id = $2 and version = $3`,
    [tenant, id, version],
  );
  return rows[0];
}

/** A digest identifies one id and version, since these are in the bundle's manifest. */
export async function findBundle(
  transaction: Transaction,
  tenant: string,
  digest: string,
): Promise<StoredPersona | undefined> {
  const { rows } = await transaction.query<StoredPersona>(
    `select ${columns} from personas where tenant = $1 and digest = $2`,
    [tenant, digest],
  );
  return rows[0];
}

/** @returns false when the version was there */
export async function insertPersona(
  transaction: Transaction,
  tenant: string,
  persona: Omit<StoredPersona, "createdAt">,
): Promise<boolean> {
  const { rowCount } = await transaction.query(
    `insert into personas (tenant, persona_id, version, digest, size_bytes, manifest, object_key, published_by)
     values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
    [
      tenant,
      persona.id,
      persona.version,
      persona.digest,
      persona.sizeBytes,
      JSON.stringify(persona.manifest),
      persona.objectKey,
      persona.publishedBy,
    ],
  );
  return rowCount === 1;
}
