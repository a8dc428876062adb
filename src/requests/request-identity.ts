import { createHash } from "node:crypto";
import { canonicalDigest } from "../text/canonical-json.ts";
import { uuidV5 } from "../text/uuid-v5.ts";
import type { Delivery } from "./delivery.ts";

/** Version of `payloadDigest`; stored beside each digest. */
export const digestVersion = 1;

/** UUID namespace of the ids below. It never changes: every redelivery must give the same ids. */
const namespace = "0d5d6a5e-6f0c-5b0e-9c53-3f2f1c1d7a10";

/** What makes two deliveries the same request: CloudEvents' (source, id) within a tenant. */
export interface RequestIdentity {
  readonly tenant: string;
  readonly source: string;
  readonly eventId: string;
}

/**
 * Covers the data only: a retry with another time or trace is a duplicate, not a conflict.
 * @returns sha256, lower-case hex, of the RFC 8785 JSON of the data as received
 */
export function payloadDigest(data: unknown): string {
  return canonicalDigest(data);
}

/**
 * Tells whether a record at a known position is the same record.
 * @returns sha256, lower-case hex, over key, headers in their order, and body
 */
export function recordDigest({ key, headers, body }: Pick<Delivery, "key" | "headers" | "body">): string {
  const named = headers.flatMap(([name, value]) => [name, Buffer.from(value).toString("base64")]);
  const prefix = lengthPrefixed([
    key === null ? "no key" : "key",
    key ?? "",
    ...named,
    body === null ? "none" : "body",
  ]);
  return createHash("sha256")
    .update(prefix)
    .update(body ?? "")
    .digest("hex");
}

/** @param decision - 0 for the first decision; each replay counts on. @returns UUIDv5 over the length-prefixed identity and decision */
export function requestIdOf(identity: RequestIdentity, decision: number): string {
  return uuidV5(
    lengthPrefixed(["request", identity.tenant, identity.source, identity.eventId, String(decision)]),
    namespace,
  );
}

/** As `requestIdOf`, for the run of that decision. */
export function runIdOf(identity: RequestIdentity, decision: number): string {
  return uuidV5(
    lengthPrefixed(["run", identity.tenant, identity.source, identity.eventId, String(decision)]),
    namespace,
  );
}

/** @returns UUIDv5: the id of a delivery that has no request, or is not its first; the same record at the same position has the same one */
export function deliveryIdOf(position: string, recordDigest: string): string {
  return uuidV5(lengthPrefixed(["delivery", position, recordDigest]), namespace);
}

/** @returns a text that is unique for this list of parts */
function lengthPrefixed(parts: readonly string[]): string {
  return parts.map((part) => `${Buffer.byteLength(part)}:${part}`).join("");
}

/** @returns a map key: equal for equal identities */
export function identityKey({ tenant, source, eventId }: RequestIdentity): string {
  return lengthPrefixed([tenant, source, eventId]);
}
