import { builderIdOf } from "../../work/run-evidence.ts";
import { resourceUri } from "./resource-uri.ts";
import type { RunEnd, Statement } from "./statement.ts";
import { writeStatement } from "./statement.ts";

export const provenanceType = "https://slsa.dev/provenance/v1";

/**
 * SLSA provenance, of COMPLETED runs only: the format has no field for a result, so that other tools take it as proof of success. It is about the run's patch or, without a workspace, its event log.
 * @see https://slsa.dev/spec/v1.2/build-provenance
 * @returns undefined for every other end
 */
export function provenanceIfCompleted(end: RunEnd): Statement | undefined {
  const { baseUri, run, outcome, log, at, work } = end;
  if (outcome !== "COMPLETED") return undefined;
  const patch = work.at(-1)?.uploads.find(({ kind }) => kind === "patch");
  const about = patch === undefined ? log : { name: patch.name ?? "", sha256: patch.sha256 ?? "" };
  return writeStatement(end, about, {
    kind: "provenance",
    predicateType: provenanceType,
    outcome,
    predicate: {
      buildDefinition: {
        buildType: `${baseUri}/build/run/v1`,
        externalParameters: run.requested,
        resolvedDependencies: [
          ...workedWith(run),
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
        builder: { id: builderIdOf(baseUri, run) },
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

function workedWith({ tenant, pins, baseCommit }: RunEnd["run"]): object[] {
  if (pins === null || baseCommit === null) return [];
  const { repository: { url = "", ref = "" } = {}, personas = [] } = pins;
  return [
    { name: "base", uri: `git+${url}@${ref}`, digest: { gitCommit: baseCommit } },
    ...personas.map(({ stepId, id = "", version = "", digest }) => ({
      name: `persona/${stepId}`,
      uri: resourceUri(tenant, "persona", id, version),
      digest: { sha256: digest },
    })),
  ];
}
