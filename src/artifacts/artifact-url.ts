import type { GetArtifactUrlResponseJson } from "../gen/workflows_runtime/v1/artifact_service_pb.ts";
import type { InScope, Scope } from "../tenancy/transaction.ts";
import { UnknownIdError } from "../tenancy/unknown-id-error.ts";
import { isUuid } from "../tenancy/uuid.ts";
import { findArtifact } from "./artifact-store.ts";
import { artifactToJson } from "./list-artifacts.ts";
import type { ObjectStore } from "./object-store.ts";

/** The tenant has no artifact with that id. */
export class UnknownArtifactError extends UnknownIdError {
  override readonly name = "UnknownArtifactError";
  readonly code = "unknown_artifact";
  constructor(artifactId: string) {
    super("artifact_id", artifactId, {
      rule: "the id of an artifact of this tenant and org",
      remedy: "`automation artifact list --run RUN` shows those of a run",
    });
  }
}

const expiresSeconds = 300;

/**
 * Makes a URL from which anybody who has it can download the artifact for 5 minutes.
 * @throws UnknownArtifactError
 */
export function createArtifactUrl(deps: { readonly inScope: InScope; readonly urlFor: ObjectStore["urlFor"] }) {
  return async (scope: Scope, artifactId: string): Promise<GetArtifactUrlResponseJson> => {
    const row = isUuid(artifactId)
      ? await deps.inScope(scope, (transaction) => findArtifact(transaction, scope.tenant, artifactId))
      : undefined;
    if (row === undefined) throw new UnknownArtifactError(artifactId);
    const url = await deps.urlFor(row.objectKey, { fileName: row.name, expiresSeconds });
    return { url, artifact: artifactToJson(row) };
  };
}
