import { resourceUri } from "../resource-uri.ts";
import type { RunEnd, Statement } from "./statement.ts";
import { writeStatement } from "./statement.ts";

export const provenanceType = "https://slsa.dev/provenance/v1";

/**
 * SLSA provenance of a COMPLETED run. The format has no place for a result: a foreign tool takes it as success, so no other end gets one.
 * @see https://slsa.dev/spec/v1.2/build-provenance
 */
export function provenanceStatement({ baseUri, run, log, at }: RunEnd & { readonly outcome: "COMPLETED" }): Statement {
  return writeStatement(log, {
    kind: "provenance",
    predicateType: provenanceType,
    outcome: "COMPLETED",
    predicate: {
      buildDefinition: {
        buildType: `${baseUri}/build/run/v1`,
        externalParameters: run.requested,
        resolvedDependencies: [
          {
            name: "definition",
            uri: resourceUri(run.tenant, "definition", run.definitionId, run.definitionVersion),
            digest: { sha256: run.definitionDigest },
          },
          {
            name: "profile",
            uri: resourceUri(run.tenant, "profile", run.profileId, run.profileVersion),
            digest: { sha256: run.profileDigest },
          },
        ],
      },
      runDetails: {
        builder: { id: `${baseUri}/builder/none/${run.tenant}` },
        metadata: {
          invocationId: run.runId,
          startedOn: (run.begunAt ?? run.createdAt).toISOString(),
          finishedOn: at.toISOString(),
        },
        byproducts: [{ name: log.name, mediaType: log.mediaType, digest: { sha256: log.sha256 } }],
      },
    },
  });
}
