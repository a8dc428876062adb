import type { ArtifactJson } from "../gen/automation/v1/artifact_pb.ts";
import type { ListArtifactsResponseJson } from "../gen/workflows_runtime/v1/artifact_service_pb.ts";
import type { InScope, Scope, Transaction } from "../tenancy/transaction.ts";
import { idsThatBegin } from "../tenancy/uuid.ts";
import type { ArtifactRow } from "./artifact-store.ts";
import { findArtifactsBetween, listArtifacts } from "./artifact-store.ts";

/**
 * Lists the artifacts of a run, or those of any run whose artifact id begins with `idPrefix`. A run has none before its end is sealed.
 * @param deps.assertRun - throws when the scope has no such run
 */
export function createListArtifacts(deps: {
  readonly inScope: InScope;
  readonly assertRun: (transaction: Transaction, tenant: string, runId: string) => Promise<void>;
}) {
  return async (scope: Scope, runId: string, idPrefix = ""): Promise<ListArtifactsResponseJson> => {
    const ids = idsThatBegin(idPrefix);
    const rows = await deps.inScope(scope, async (transaction) => {
      if (runId !== "" || idPrefix === "") {
        await deps.assertRun(transaction, scope.tenant, runId);
        return listArtifacts(transaction, scope.tenant, runId);
      }
      return ids === undefined ? [] : findArtifactsBetween(transaction, scope.tenant, ids);
    });
    return { artifacts: rows.map(artifactToJson) };
  };
}

export function artifactToJson(row: ArtifactRow): ArtifactJson {
  const { artifactId: id, runId, name, kind, mediaType, sha256, sizeBytes, createdAt } = row;
  return { id, runId, name, kind, mediaType, sha256, sizeBytes: String(sizeBytes), createdAt: createdAt.toISOString() };
}
