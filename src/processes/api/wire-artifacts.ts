import { createArtifactUrl } from "../../artifacts/artifact-url.ts";
import { createListArtifacts } from "../../artifacts/list-artifacts.ts";
import type { ObjectStore } from "../../artifacts/object-store.ts";
import { assertRun } from "../../runs/in-run.ts";
import type { InScope } from "../../tenancy/transaction.ts";

/** The files that runs leave behind. */
export function wireArtifacts(deps: { readonly inReadScope: InScope; readonly objects: Pick<ObjectStore, "urlFor"> }) {
  const { inReadScope: inScope, objects } = deps;
  return {
    listArtifacts: createListArtifacts({ inScope, assertRun }),
    artifactUrl: createArtifactUrl({ inScope, urlFor: objects.urlFor }),
  };
}
