import { createHash } from "node:crypto";
import type { ObjectDigest, ObjectStore, StreamedBody } from "./object-store.ts";

/** An object is missing, or its bytes do not have the recorded digest. */
export class AlteredObjectError extends Error {
  override readonly name = "AlteredObjectError";
  readonly code = "altered_object";
  readonly key: string;
  constructor(key: string, found: ObjectDigest | undefined, expected: string) {
    const state = found === undefined ? "is not there" : `has sha256 ${found.sha256}`;
    super(
      `the object ${key} ${state}, but ${expected} is recorded; it can't be used as evidence; restore it from a backup of the bucket, and ask for a new run`,
    );
    this.key = key;
  }
}

/** Who owns a blob: an org owns what its runs make, a tenant what it declares. A caller that knows only a digest can't reach blobs of other owners. */
export interface BlobOwner {
  readonly tenant: string;
  /** Null for what the tenant declares. */
  readonly org: string | null;
}

/** @returns the key of a blob, made of its owner and its digest: different bytes have different keys */
export function objectKeyOf({ tenant, org }: BlobOwner, sha256: string): string {
  return `tenants/${tenant}${org === null ? "" : `/orgs/${org}`}/sha256/${sha256}`;
}

/** @returns sha256, lower-case hex */
export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/**
 * Stores a blob under its own digest. Storing the same bytes again is no error.
 * @throws AlteredObjectError when other bytes are at its key
 */
export async function keepBlob(
  objects: Pick<ObjectStore, "putOnce" | "digestOf" | "refresh">,
  owner: BlobOwner,
  bytes: Uint8Array,
  contentType: string,
  signal?: AbortSignal,
): Promise<ObjectDigest> {
  const digest = { sha256: sha256Hex(bytes), sizeBytes: bytes.byteLength };
  const key = objectKeyOf(owner, digest.sha256);
  const put = await objects.putOnce(key, bytes, { sha256: digest.sha256, contentType }, signal);
  if (put === "present") await relyOnBlob(objects, owner, digest.sha256, signal);
  return digest;
}

/**
 * Streams a blob that is too large for memory into the store, under a digest that was computed before.
 * @throws AlteredObjectError when other bytes are at its key
 */
export async function keepLargeBlob(
  objects: Pick<ObjectStore, "putOnce" | "digestOf" | "refresh">,
  owner: BlobOwner,
  { sha256, ...body }: ObjectDigest & StreamedBody,
  contentType: string,
  signal: AbortSignal,
): Promise<void> {
  const put = await objects.putOnce(objectKeyOf(owner, sha256), body, { sha256, contentType }, signal);
  if (put === "present") await relyOnBlob(objects, owner, sha256, signal);
}

/** A blob that was there before, and that no row may name yet: it is refreshed first, so that no sweep takes it as left over, then checked. */
async function relyOnBlob(
  objects: Pick<ObjectStore, "digestOf" | "refresh">,
  owner: BlobOwner,
  sha256: string,
  signal?: AbortSignal,
): Promise<void> {
  await objects.refresh(objectKeyOf(owner, sha256), signal);
  await assertBlob(objects, owner, sha256, signal);
}

/**
 * Checks the stored bytes of a blob.
 * @returns their digest and size
 * @throws AlteredObjectError when they are missing or have another digest
 */
export async function assertBlob(
  objects: Pick<ObjectStore, "digestOf">,
  owner: BlobOwner,
  sha256: string,
  signal?: AbortSignal,
): Promise<ObjectDigest> {
  const key = objectKeyOf(owner, sha256);
  const found = await objects.digestOf(key, signal);
  if (found?.sha256 !== sha256) throw new AlteredObjectError(key, found, sha256);
  return found;
}
