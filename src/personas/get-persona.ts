import type { ObjectStore } from "../artifacts/object-store.ts";
import type { GetPersonaResponseJson } from "../gen/agents/v1/agents_service_pb.ts";
import type { InScope, Scope } from "../tenancy/transaction.ts";
import { UnknownIdError } from "../tenancy/unknown-id-error.ts";
import { personaToJson } from "./list-personas.ts";
import { findBundle } from "./persona-store.ts";

/** The tenant has published no bundle of that digest. */
class UnknownBundleError extends UnknownIdError {
  override readonly name = "UnknownBundleError";
  readonly code = "unknown_bundle";
  constructor(digest: string) {
    super("digest", digest, {
      rule: "the digest of a persona's bundle of this tenant",
      remedy: "`automation persona list` shows them",
    });
  }
}

const expiresSeconds = 300;

/**
 * Finds a published persona by the digest that runs pin, and makes a URL from which anybody who has it can download the bundle for 5 minutes.
 * @throws UnknownBundleError
 */
export function createGetPersona(deps: { readonly inScope: InScope; readonly urlFor: ObjectStore["urlFor"] }) {
  return async (scope: Scope, digest: string): Promise<GetPersonaResponseJson> => {
    const found = await deps.inScope(scope, (transaction) => findBundle(transaction, scope.tenant, digest));
    if (found === undefined) throw new UnknownBundleError(digest);
    const url = await deps.urlFor(found.objectKey, { fileName: `${found.id}-${found.version}.tar`, expiresSeconds });
    return { persona: personaToJson(found), url };
  };
}
