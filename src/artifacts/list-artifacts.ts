import type { ArtifactJson } from "../gen/automation/v1/artifact_pb.ts";
import type { ListArtifactsResponseJson } from "../gen/workflows_runtime/v1/workflow_service_pb.ts";
import { isUuid } from "../tenancy/page-token.ts";
import type { InScope, Scope } from "../tenancy/transaction.ts";
import type { ArtifactRow } from "./artifact-store.ts";
import { listArtifacts } from "./artifact-store.ts";

/** What a run left behind; nothing before the run's end is sealed, and nothing for an unknown run. */
export function createListArtifacts(deps: { readonly inScope: InScope }) {
  return async (scope: Scope, runId: string): Promise<ListArtifactsResponseJson> => {
    if (!isUuid(runId)) return { artifacts: [] };
    const rows = await deps.inScope(scope, (transaction) => listArtifacts(transaction, scope.tenant, runId));
    return { artifacts: rows.map(artifactToJson) };
  };
}

export function artifactToJson(row: ArtifactRow): ArtifactJson {
  const { artifactId: id, runId, name, kind, mediaType, sha256, sizeBytes, createdAt } = row;
  return { id, runId, name, kind, mediaType, sha256, sizeBytes: String(sizeBytes), createdAt: createdAt.toISOString() };
}
