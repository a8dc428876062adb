import { createHash } from "node:crypto";

/**
 * The digest that names a persona for ever: sha256, lower-case hex, of its canonical tar (`encodeTar`), so the same folder has the same digest on any machine.
 * Runs pin it, and a version never gets another one.
 */
export function personaDigest(bundle: Uint8Array): string {
  return createHash("sha256").update(bundle).digest("hex");
}
