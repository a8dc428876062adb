import type { DescMessage, MessageJsonType, MessageShape } from "@bufbuild/protobuf";
import { toJson } from "@bufbuild/protobuf";
import type { TimestampJson } from "@bufbuild/protobuf/wkt";
import wrapAnsi from "wrap-ansi";
import { visible } from "../../text/strangers-text.ts";
import { alignColumns, fitColumns } from "./fit-table.ts";
import { jsonText, print, printError, terminalWidth, tint } from "./terminal.ts";

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

/** @returns the text on one line, with control and invisible characters escaped */
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
  else if (rows.length === 0) printError("none");
  else for (const line of tableLines(rows, columns)) print(line);
  if (hasMore) printError("there are more; a greater --limit shows them");
}

/**
 * Lines of an aligned table with a header; empty columns are left out. On a terminal it is fitted: ids become prefixes, times ages, texts are cut. Where that is too narrow, each row becomes lines of facts.
 * @param indent - width in front of each line
 */
export function tableLines<T>(rows: readonly T[], columns: readonly Column<T>[], indent = 0): string[] {
  const cells = columns.map(({ title, of }) => [title, ...rows.map((row) => plain(String(of(row) ?? "")))]);
  const shown = cells.filter(([, ...values]) => values.some((value) => value !== ""));
  const width = terminalWidth();
  const fitted = width === undefined ? shown : fitColumns(shown, width - indent, Date.now());
  if (fitted === undefined) return recordLines(shown, rows.length, indent);
  const [head = "", ...lines] = alignColumns(fitted);
  return [tint("dim", head), ...lines];
}

/** Each row as facts, with an empty line between rows. */
function recordLines(columns: readonly (readonly string[])[], rows: number, indent: number): string[] {
  return Array.from({ length: rows }, (_, row) => [
    ...(row === 0 ? [] : [""]),
    ...factLines(
      columns.map((column) => [column[0] ?? "", column[row + 1]] as const),
      indent,
    ),
  ]).flat();
}

/** Lines of `name  value`, aligned, and wrapped on a terminal; facts without a value are left out. */
export function factLines(
  facts: readonly (readonly [name: string, value: string | number | undefined])[],
  indent = 0,
): string[] {
  const known = facts.filter(([, value]) => value !== undefined && value !== "");
  const width = Math.max(0, ...known.map(([name]) => name.length));
  return known.flatMap(([name, value]) => {
    const [first = "", ...more] = wrapLine(plain(String(value)), indent + width + 2);
    return [`${tint("dim", name.padEnd(width))}  ${first}`, ...more.map((line) => `${" ".repeat(width + 2)}${line}`)];
  });
}

/** @returns the text as lines that fit the terminal between words; a long word stays whole, so that it can be copied */
export function wrapLine(text: string, indent: number): string[] {
  const width = terminalWidth();
  if (width === undefined) return [text];
  return wrapAnsi(text, Math.max(20, width - indent), { hard: false }).split("\n");
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

/** @returns the short name of an enum value: `RUN_STATUS_TIMED_OUT` → `TIMED_OUT` */
export function shortName(value: string | undefined, prefix: string): string {
  return value?.replace(prefix, "") ?? "";
}

/** @returns UTC, to the second */
export function shortTime(time: TimestampJson | undefined): string | undefined {
  return time === undefined ? undefined : `${new Date(time).toISOString().slice(0, 19)}Z`;
}
