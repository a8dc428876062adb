import { createHash } from "node:crypto";
import canonicalize from "canonicalize";

/** @returns sha256, lower-case hex, of the value's RFC 8785 JSON */
export function canonicalDigest(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("value has no JSON form");
  return createHash("sha256").update(text).digest("hex");
}
