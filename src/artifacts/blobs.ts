import { createHash } from "node:crypto";
import type { ObjectDigest, ObjectStore } from "./object-store.ts";

/** An object is gone, or is not the one that its digest names. */
export class AlteredObjectError extends Error {
  override readonly name = "AlteredObjectError";
  readonly code = "altered_object";
  readonly key: string;
  constructor(key: string, found: ObjectDigest | undefined, expected: string) {
    const state = found === undefined ? "is not there" : `has sha256 ${found.sha256}`;
    super(
      `the object ${key} ${state}, but ${expected} is recorded; restore it from a backup of the bucket, nothing that names it is sealed until then`,
    );
    this.key = key;
  }
}

/** @returns the key of a blob: its tenant and its digest, so that other bytes have another key */
export function objectKeyOf(tenant: string, sha256: string): string {
  return `tenants/${tenant}/sha256/${sha256}`;
}

/** @returns sha256, lower-case hex */
export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/**
 * Stores a blob under its own digest. The same bytes again are no error.
 * @throws AlteredObjectError when other bytes are at its key
 */
export async function keepBlob(
  objects: Pick<ObjectStore, "putOnce" | "digestOf">,
  tenant: string,
  bytes: Uint8Array,
  contentType: string,
): Promise<ObjectDigest> {
  const digest = { sha256: sha256Hex(bytes), sizeBytes: bytes.byteLength };
  const key = objectKeyOf(tenant, digest.sha256);
  const put = await objects.putOnce(key, bytes, { sha256: digest.sha256, contentType });
  if (put === "present") await assertBlob(objects, tenant, digest.sha256);
  return digest;
}

/**
 * @returns what the bytes at its key are
 * @throws AlteredObjectError unless they have the digest that names them
 */
export async function assertBlob(
  objects: Pick<ObjectStore, "digestOf">,
  tenant: string,
  sha256: string,
): Promise<ObjectDigest> {
  const key = objectKeyOf(tenant, sha256);
  const found = await objects.digestOf(key);
  if (found?.sha256 !== sha256) throw new AlteredObjectError(key, found, sha256);
  return found;
}
