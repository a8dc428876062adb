import type { DescMessage, MessageJsonType, MessageShape } from "@bufbuild/protobuf";
import { toJson } from "@bufbuild/protobuf";
import type { TimestampJson } from "@bufbuild/protobuf/wkt";
import { visible } from "../text/strangers-text.ts";
import { jsonText, print, printError, tint } from "./terminal.ts";

/** A column of a table for people. */
export interface Column<T> {
  readonly title: string;
  readonly of: (item: T) => string | number | undefined;
}

/** Items that were asked for, and whether there are more. */
export interface Listed<T> {
  readonly items: readonly T[];
  readonly hasMore: boolean;
}

/** @returns the text on one line, and visible: stored data can't steer a terminal, nor look like other data */
export function plain(text: string): string {
  return visible(text.replaceAll(/[\t\n\r]+/g, " "));
}

/** Prints the proto JSON of a message as one line. */
export function printMessage<D extends DescMessage>(schema: D, message: MessageShape<D>): void {
  print(jsonText(toJson(schema, message)));
}

/** Prints a list: a table for people, else the proto JSON of one item a line. */
export function printList<D extends DescMessage>(
  json: boolean,
  schema: D,
  { items, hasMore }: Listed<MessageShape<D>>,
  columns: readonly Column<MessageJsonType<D>>[],
): void {
  const rows = items.map((item) => toJson(schema, item));
  if (json) for (const row of rows) print(jsonText(row));
  else if (rows.length === 0) print("none");
  else for (const line of tableLines(rows, columns)) print(line);
  if (hasMore) printError("there are more; a greater --limit shows them");
}

/** Lines of an aligned table, its head first; columns that are empty in every row are left out. */
export function tableLines<T>(rows: readonly T[], columns: readonly Column<T>[]): string[] {
  const cells = columns.map(({ title, of }) => [title, ...rows.map((row) => plain(String(of(row) ?? "")))]);
  const shown = cells.filter(([, ...values]) => values.some((value) => value !== ""));
  const widths = shown.map((column) => Math.max(...column.map((cell) => cell.length)));
  return Array.from({ length: rows.length + 1 }, (_, index) => {
    const line = shown.map((column, at) => (column[index] ?? "").padEnd(widths[at] ?? 0)).join("  ");
    return index === 0 ? tint("dim", line.trimEnd()) : line.trimEnd();
  });
}

/** Lines of `name  value`, aligned; facts without a value are left out. */
export function factLines(facts: readonly (readonly [name: string, value: string | number | undefined])[]): string[] {
  const known = facts.filter(([, value]) => value !== undefined && value !== "");
  const width = Math.max(0, ...known.map(([name]) => name.length));
  return known.map(([name, value]) => `${tint("dim", name.padEnd(width))}  ${plain(String(value))}`);
}

/**
 * Reads pages until there are `limit` items.
 * @param page - asks for at most `size` items after `token`
 */
export async function listUpTo<T>(
  limit: number,
  page: (size: number, token: string) => Promise<{ items: T[]; nextPageToken: string }>,
): Promise<Listed<T>> {
  const items: T[] = [];
  let token = "";
  do {
    const next = await page(Math.min(200, limit - items.length), token);
    items.push(...next.items);
    token = next.nextPageToken;
  } while (token !== "" && items.length < limit);
  return { items, hasMore: token !== "" };
}

/** @returns the name of an enum value as people read it: `RUN_STATUS_TIMED_OUT` → `TIMED_OUT` */
export function shortName(value: string | undefined, prefix: string): string {
  return value?.replace(prefix, "") ?? "";
}

/** @returns UTC, to the second */
export function shortTime(time: TimestampJson | undefined): string | undefined {
  return time === undefined ? undefined : `${new Date(time).toISOString().slice(0, 19)}Z`;
}
