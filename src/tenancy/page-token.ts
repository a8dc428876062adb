import { isName } from "../text/name.ts";
import { isUuid } from "./uuid.ts";

/** The page token does not come from this service. */
export class InvalidPageTokenError extends Error {
  override readonly name = "InvalidPageTokenError";
  readonly code = "invalid_page_token";
  constructor() {
    super("page_token does not come from this list; leave it empty to start from the first page");
  }
}

/** The last row of a page, in a list sorted newest first; the next page begins after it. */
export interface PageCursor {
  readonly at: Date;
  readonly id: string;
}

export function encodePageToken({ at, id }: PageCursor): string {
  return Buffer.from(`${at.toISOString()} ${id}`).toString("base64url");
}

/**
 * @returns undefined for an empty token: the first page
 * @throws InvalidPageTokenError
 */
export function decodePageToken(token: string): PageCursor | undefined {
  if (token === "") return undefined;
  const [moment = "", id = ""] = Buffer.from(token, "base64url").toString().split(" ");
  const at = new Date(moment);
  if (Number.isNaN(at.getTime()) || !isUuid(id)) throw new InvalidPageTokenError();
  return { at, id };
}

/** @returns the token of the page after the row with these names, in a list sorted by names */
export function encodeNamesToken(names: readonly string[]): string {
  return Buffer.from(JSON.stringify(names)).toString("base64url");
}

/**
 * @param count - how many names the list is sorted by
 * @returns undefined for an empty token: the first page
 * @throws InvalidPageTokenError
 */
export function decodeNamesToken(token: string, count: number): string[] | undefined {
  if (token === "") return undefined;
  const names = parsed(Buffer.from(token, "base64url").toString());
  const isOurs = Array.isArray(names) && names.length === count && names.every((name) => isName(String(name)));
  if (!isOurs) throw new InvalidPageTokenError();
  return names.map(String);
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** @returns the asked size, at most 200; 50 for 0 */
export function pageSizeOf(asked: number): number {
  return asked === 0 ? 50 : Math.min(asked, 200);
}
