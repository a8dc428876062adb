import { createHash } from "node:crypto";

/**
 * A persona's digest: sha256, lower-case hex, of its canonical tar (`encodeTar`). The same folder has the same digest on any machine.
 * Runs pin the digest, and a version keeps its digest for ever.
 */
export function personaDigest(bundle: Uint8Array): string {
  return createHash("sha256").update(bundle).digest("hex");
}
