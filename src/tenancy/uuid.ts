const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** @returns whether a client's id can be one of ours, in upper or lower case. If not, it is answered as unknown, not as malformed. */
export function isUuid(id: string): boolean {
  return uuid.test(id.toLowerCase());
}

/** All UUIDs with a common prefix, as a range for an index. */
export interface IdRange {
  readonly first: string;
  readonly last: string;
}

/**
 * @param prefix - of a lower-case UUID, with its hyphens
 * @returns undefined when no UUID has this prefix
 */
export function idsThatBegin(prefix: string): IdRange | undefined {
  const range = { first: filled(prefix, "0"), last: filled(prefix, "f") };
  return uuid.test(range.first) ? range : undefined;
}

const shape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

const filled = (prefix: string, digit: string): string => prefix + shape.slice(prefix.length).replaceAll("x", digit);
