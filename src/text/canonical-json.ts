import { createHash } from "node:crypto";
import canonicalize from "canonicalize";

/** @returns RFC 8785 JSON: the one text of a value, whatever order its fields were written in */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("value has no JSON form");
  return text;
}

/** @returns sha256, lower-case hex, of the value's RFC 8785 JSON */
export function canonicalDigest(value: unknown): string {
  return createHash("sha256").update(canonicalJson(value)).digest("hex");
}
