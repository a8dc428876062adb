import type { Transaction } from "../tenancy/transaction.ts";

/** An artifact as stored. */
export interface ArtifactRow {
  readonly artifactId: string;
  readonly runId: string;
  readonly name: string;
  readonly mediaType: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly objectKey: string;
  readonly createdAt: Date;
}

const columns = `artifact_id as "artifactId", run_id as "runId", name, media_type as "mediaType", sha256,
  size_bytes as "sizeBytes", object_key as "objectKey", created_at as "createdAt"`;

export async function insertArtifact(transaction: Transaction, tenant: string, row: ArtifactRow): Promise<void> {
  await transaction.query(
    `insert into artifacts (tenant, artifact_id, run_id, name, media_type, sha256, size_bytes, object_key, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      tenant,
      row.artifactId,
      row.runId,
      row.name,
      row.mediaType,
      row.sha256,
      row.sizeBytes,
      row.objectKey,
      row.createdAt,
    ],
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
