import type { Transaction } from "../tenancy/transaction.ts";
import type { IdRange } from "../tenancy/uuid.ts";

/** An artifact as stored. */
export interface ArtifactRow {
  readonly artifactId: string;
  readonly runId: string;
  readonly name: string;
  /** `event_log`, or an upload's: `patch`, `report` … */
  readonly kind: string;
  readonly mediaType: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly objectKey: string;
  readonly createdAt: Date;
}

const columns = `artifact_id as "artifactId", run_id as "runId", name, kind, media_type as "mediaType", sha256,
  size_bytes as "sizeBytes", object_key as "objectKey", created_at as "createdAt"`;

export async function insertArtifacts(
  transaction: Transaction,
  tenant: string,
  rows: readonly ArtifactRow[],
): Promise<void> {
  await transaction.query(
    `insert into artifacts (tenant, artifact_id, run_id, name, kind, media_type, sha256, size_bytes, object_key, created_at)
     select $1, a."artifactId", a."runId", a.name, a.kind, a."mediaType", a.sha256, a."sizeBytes", a."objectKey", a."createdAt"
     from jsonb_to_recordset($2) as a("artifactId" uuid, "runId" uuid, name text, kind text, "mediaType" text, sha256 text, "sizeBytes" bigint,
       "objectKey" text, "createdAt" timestamptz)`,
    [tenant, JSON.stringify(rows)],
  );
}

/** Artifacts of a run by name. */
export async function listArtifacts(transaction: Transaction, tenant: string, runId: string): Promise<ArtifactRow[]> {
  const { rows } = await transaction.query<ArtifactRow>(
    `select ${columns} from artifacts where tenant = $1 and run_id = $2 order by name, artifact_id`,
    [tenant, runId],
  );
  return rows;
}

/** Artifacts of any run by id, at most ten. */
export async function findArtifactsBetween(
  transaction: Transaction,
  tenant: string,
  { first, last }: IdRange,
): Promise<ArtifactRow[]> {
  const { rows } = await transaction.query<ArtifactRow>(
    `select ${columns} from artifacts where tenant = $1 and artifact_id between $2 and $3 order by artifact_id limit 10`,
    [tenant, first, last],
  );
  return rows;
}

export async function findArtifact(
  transaction: Transaction,
  tenant: string,
  artifactId: string,
): Promise<ArtifactRow | undefined> {
  const { rows } = await transaction.query<ArtifactRow>(
    `select ${columns} from artifacts where tenant = $1 and artifact_id = $2`,
    [tenant, artifactId],
  );
  return rows[0];
}
