import { styleText } from "node:util";
import type { DescMessage, MessageJsonType, MessageShape } from "@bufbuild/protobuf";
import { toJson } from "@bufbuild/protobuf";
import type { TimestampJson } from "@bufbuild/protobuf/wkt";

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

/** Without this, a reader that goes away (`| head`) would crash the command. */
export function endWithReader(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(0);
  });
}

/** Colours a text when standard output is a terminal and NO_COLOR is not set. */
export function tint(format: "red" | "green" | "yellow" | "dim" | "bold", text: string): string {
  return styleText(format, text, { stream: process.stdout });
}

/** @returns the text without control characters, so that stored data can't steer a terminal */
export function plain(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, " ");
}

/** Prints the proto JSON of a message as one line. */
export function printMessage<D extends DescMessage>(schema: D, message: MessageShape<D>): void {
  console.log(JSON.stringify(toJson(schema, message)));
}

/** Prints a list: a table for people, else the proto JSON of one item a line. */
export function printList<D extends DescMessage>(
  json: boolean,
  schema: D,
  { items, hasMore }: Listed<MessageShape<D>>,
  columns: readonly Column<MessageJsonType<D>>[],
): void {
  const rows = items.map((item) => toJson(schema, item));
  if (json) for (const row of rows) console.log(JSON.stringify(row));
  else if (rows.length === 0) console.log("none");
  else for (const line of tableLines(rows, columns)) console.log(line);
  if (hasMore) console.error("there are more; a greater --limit shows them");
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
