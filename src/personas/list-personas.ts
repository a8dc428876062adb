import type { ListPersonasResponseJson, PersonaJson } from "../gen/agents/v1/agents_service_pb.ts";
import type { InScope, Scope } from "../tenancy/transaction.ts";
import type { StoredPersona } from "./persona-store.ts";
import { readPersonas } from "./persona-store.ts";

/** Versions of a tenant's personas, or of one of them, newest first. */
export function createListPersonas(deps: { readonly inScope: InScope }) {
  return async (scope: Scope, personaId: string): Promise<ListPersonasResponseJson> => {
    const stored = await deps.inScope(scope, (transaction) => readPersonas(transaction, scope.tenant));
    return { personas: stored.filter(({ id }) => personaId === "" || id === personaId).map(personaToJson) };
  };
}

export function personaToJson(stored: StoredPersona): PersonaJson {
  const { id, version, digest, manifest, publishedBy } = stored;
  return {
    ...{ id, version, title: manifest.title ?? "", digest, publishedBy, manifest },
    sizeBytes: String(stored.sizeBytes),
    publishedAt: stored.createdAt.toISOString(),
  };
}
