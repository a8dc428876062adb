import { isName } from "../text/name.ts";
import { isUuid } from "./uuid.ts";

/** A page token that this service did not give out. */
export class InvalidPageTokenError extends Error {
  override readonly name = "InvalidPageTokenError";
  readonly code = "invalid_page_token";
  constructor() {
    super("page_token is not one that this list gave out; leave it empty to start anew");
  }
}

/** Where a list that is sorted newest first goes on: after this row. */
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

/** @returns the token of a list that is sorted by names, after the row of these */
export function encodeNamesToken(names: readonly string[]): string {
  return Buffer.from(JSON.stringify(names)).toString("base64url");
}

/**
 * @param count - of names that a row of the list is sorted by
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

/** @returns 1–200 as asked, 50 for 0 */
export function pageSizeOf(asked: number): number {
  return asked === 0 ? 50 : Math.min(asked, 200);
}
