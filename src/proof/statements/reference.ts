import { builderIdOf } from "../../work/run-evidence.ts";
import { resourceUri } from "./resource-uri.ts";
import type { KeptBlob, RunEnd, Statement } from "./statement.ts";
import { writeStatement } from "./statement.ts";

export const referenceType = "https://in-toto.io/attestation/reference/v0.1";

/**
 * Refers to an object that a run left behind: its patch, or a document of its tree.
 * @see https://github.com/in-toto/attestation/blob/main/spec/predicates/reference.md
 */
export function referenceStatement(
  end: RunEnd,
  blob: KeptBlob & { readonly mediaType: string },
  what: Pick<Statement, "outcome"> & { readonly kind: "diff" | "document"; readonly step?: string },
): Statement {
  const { name, sha256, mediaType } = blob;
  const downloadLocation = resourceUri(end.run.tenant, "run", end.run.runId, name);
  return writeStatement(
    end,
    { name, sha256 },
    {
      ...what,
      predicateType: referenceType,
      predicate: {
        attester: { id: builderIdOf(end.baseUri, end.run) },
        references: [{ name, downloadLocation, mediaType, digest: { sha256 } }],
      },
    },
  );
}
