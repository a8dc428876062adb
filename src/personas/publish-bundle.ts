import { toJson } from "@bufbuild/protobuf";
import { keepBlob, objectKeyOf } from "../artifacts/blobs.ts";
import type { ObjectStore } from "../artifacts/object-store.ts";
import type { PublishBundleResponseJson } from "../gen/agents/v1/agents_service_pb.ts";
import { PersonaManifestSchema } from "../gen/agents/v1/agents_service_pb.ts";
import type { Principal } from "../tenancy/request-context.ts";
import type { InScope, Transaction } from "../tenancy/transaction.ts";
import { assertSameVersion } from "../tenancy/version-exists-error.ts";
import { decodeTar } from "./canonical-tar.ts";
import { personaToJson } from "./list-personas.ts";
import { readManifest } from "./manifest.ts";
import { personaDigest } from "./persona-digest.ts";
import { findPersona, insertPersona } from "./persona-store.ts";

export type PublishBundle = (bundle: Uint8Array, who: Principal) => Promise<PublishBundleResponseJson>;

/**
 * Stores an immutable version of a persona: its bytes by their digest, then its row.
 * @throws InvalidBundleError, VersionExistsError
 */
export function createPublishBundle(deps: {
  readonly inScope: InScope;
  readonly objects: Pick<ObjectStore, "putOnce" | "digestOf" | "refresh">;
  /** Tells caches that the tenant's declarations changed; in the same transaction. */
  readonly bumpRevision: (transaction: Transaction, tenant: string) => Promise<void>;
}): PublishBundle {
  const { inScope, objects, bumpRevision } = deps;
  return async (bundle, who) => {
    const { tenant, subject } = who;
    const manifest = readManifest(decodeTar(bundle));
    const { id, version } = manifest;
    const digest = personaDigest(bundle);
    const persona = {
      id,
      version,
      digest,
      sizeBytes: bundle.byteLength,
      publishedBy: subject,
      manifest: toJson(PersonaManifestSchema, manifest),
      objectKey: objectKeyOf({ tenant, org: null }, digest),
    };
    const known = await inScope(who, (transaction) => findPersona(transaction, tenant, persona));
    if (known !== undefined) assertSameVersion("persona", persona, known);
    await keepBlob(objects, { tenant, org: null }, bundle, "application/x-tar"); // also for a known version, which restores a bundle that the bucket lost
    return inScope(who, async (transaction) => {
      const created = await insertPersona(transaction, tenant, persona);
      const stored = await findPersona(transaction, tenant, persona);
      assertSameVersion("persona", persona, stored);
      if (created) await bumpRevision(transaction, tenant);
      return { persona: personaToJson(stored), created };
    });
  };
}
