const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** @returns whether a client's id can be one of ours, in either case; another one is unknown, not malformed */
export function isUuid(id: string): boolean {
  return uuid.test(id.toLowerCase());
}

/** Ids that begin alike, as a range that an index of UUIDs finds at once. */
export interface IdRange {
  readonly first: string;
  readonly last: string;
}

/**
 * @param prefix - how a lower-case UUID begins, hyphens where it has them
 * @returns undefined when no UUID begins so
 */
export function idsThatBegin(prefix: string): IdRange | undefined {
  const range = { first: filled(prefix, "0"), last: filled(prefix, "f") };
  return uuid.test(range.first) ? range : undefined;
}

const shape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

const filled = (prefix: string, digit: string): string => prefix + shape.slice(prefix.length).replaceAll("x", digit);
