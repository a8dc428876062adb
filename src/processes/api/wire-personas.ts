import type { ObjectStore } from "../../artifacts/object-store.ts";
import { bumpRevision } from "../../definitions/declaration-revision-store.ts";
import { createGetPersona } from "../../personas/get-persona.ts";
import { createListPersonas } from "../../personas/list-personas.ts";
import { createPublishBundle } from "../../personas/publish-bundle.ts";
import type { InScope } from "../../tenancy/transaction.ts";

/** Bundles of personas. */
export function wirePersonas(deps: {
  readonly inScope: InScope;
  readonly inReadScope: InScope;
  readonly objects: Pick<ObjectStore, "putOnce" | "digestOf" | "refresh" | "urlFor">;
}) {
  const { inScope, inReadScope, objects } = deps;
  return {
    publishBundle: createPublishBundle({ inScope, objects, bumpRevision }),
    listPersonas: createListPersonas({ inScope: inReadScope }),
    getPersona: createGetPersona({ inScope: inReadScope, urlFor: objects.urlFor }),
  };
}
