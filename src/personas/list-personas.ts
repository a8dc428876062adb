import type { ListPersonasResponseJson, PersonaJson } from "../gen/agents/v1/agents_service_pb.ts";
import type { InScope, Scope } from "../tenancy/transaction.ts";
import { UnknownIdError } from "../tenancy/unknown-id-error.ts";
import type { StoredPersona } from "./persona-store.ts";
import { readPersonas } from "./persona-store.ts";

/** The tenant has published no such persona. */
class UnknownPersonaError extends UnknownIdError {
  override readonly name = "UnknownPersonaError";
  readonly code = "unknown_persona";
  constructor(id: string) {
    super("persona_id", id, {
      rule: "the id of a persona of this tenant",
      remedy: "`automation persona list` shows them",
    });
  }
}

/** Versions of a tenant's personas, or of one of them, newest first. @throws UnknownPersonaError */
export function createListPersonas(deps: { readonly inScope: InScope }) {
  return async (scope: Scope, personaId: string): Promise<ListPersonasResponseJson> => {
    const stored = await deps.inScope(scope, (transaction) => readPersonas(transaction, scope.tenant));
    const wanted = stored.filter(({ id }) => personaId === "" || id === personaId);
    if (personaId !== "" && wanted.length === 0) throw new UnknownPersonaError(personaId);
    return { personas: wanted.map(personaToJson) };
  };
}

export function personaToJson(stored: StoredPersona): PersonaJson {
  const { id, version, digest, manifest, publishedBy } = stored;
  return {
    id,
    version,
    title: manifest.title ?? "",
    digest,
    publishedBy,
    manifest,
    sizeBytes: String(stored.sizeBytes),
    publishedAt: stored.createdAt.toISOString(),
  };
}
