import stringWidth from "string-width";
import { cutText } from "../../text/strangers-text.ts";

/** Fits columns of text to a terminal. */

/** A column: its title first. */
export type Cells = readonly string[];

const gap = 2;
/** Narrowest column of text that is still readable. */
const leastText = 8;
const leastPrefix = 8;
const ellipsis = "…";
/** Longer texts are not measured; no terminal is that wide. */
const longest = 4_000;
const segmenter = new Intl.Segmenter();

/**
 * Shortens columns until they fit: ids to unambiguous prefixes, then times to ages, then the widest texts.
 * @param width - columns of the terminal
 * @param now - milliseconds since 1970
 * @returns undefined when the columns would become unreadable
 */
export function fitColumns(columns: readonly Cells[], width: number, now: number): Cells[] | undefined {
  const steps: ((column: Cells) => Cells)[] = [shortIds, (column: Cells) => ages(column, now)];
  let fitted: Cells[] = columns.map((column) => column.map((cell) => cutText(cell, longest)));
  for (const step of steps) {
    if (widthOf(fitted) <= width) return fitted;
    fitted = fitted.map(step);
  }
  const most = fitted.map(widest);
  const least = columns.map((column, index) => Math.min(most[index] ?? 0, isFixed(column) ? width : leastText));
  const room = width - gap * (fitted.length - 1);
  while (sum(most) > room) {
    const shrinkable = most.map((wide, index) => (wide > (least[index] ?? 0) ? wide : 0));
    const at = shrinkable.indexOf(Math.max(...shrinkable));
    if ((shrinkable[at] ?? 0) === 0) return undefined;
    most[at] = (most[at] ?? 0) - 1;
  }
  return fitted.map((column, index) => column.map((cell) => cutCell(cell, most[index] ?? 0)));
}

/** @returns lines of columns side by side, no space at their ends */
export function alignColumns(columns: readonly Cells[]): string[] {
  const widths = columns.map(widest);
  const rows = columns[0]?.length ?? 0;
  return Array.from({ length: rows }, (_, row) =>
    columns
      .map((column, index) => padCell(column[row] ?? "", widths[index] ?? 0))
      .join(" ".repeat(gap))
      .trimEnd(),
  );
}

/** @returns the text with spaces up to a width of the terminal */
function padCell(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - stringWidth(text)));
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

const valuesOf = ([, ...values]: Cells) => values.filter((value) => value !== "");
const isAll = (column: Cells, form: RegExp) => valuesOf(column).every((value) => form.test(value));
const isFixed = (column: Cells) => isAll(column, uuid) || isAll(column, instant) || isAll(column, /^\d+$/);

/** @returns the shortest unambiguous prefixes of ids; commands accept them */
function shortIds(column: Cells): Cells {
  if (!isAll(column, uuid)) return column;
  const ids = new Set(valuesOf(column));
  let length = leastPrefix;
  while (new Set([...ids].map((id) => id.slice(0, length))).size < ids.size) length += 1;
  const [title = "", ...values] = column;
  return [title, ...values.map((id) => id.slice(0, length))];
}

/** @returns times as `5m ago` or `in 2h` */
function ages(column: Cells, now: number): Cells {
  if (!isAll(column, instant)) return column;
  const [title = "", ...values] = column;
  return [title, ...values.map((value) => (value === "" ? "" : age(now - Date.parse(value))))];
}

function age(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1_000);
  const units = [[86_400, "d"] as const, [3_600, "h"] as const, [60, "m"] as const];
  const [size, unit] = units.find(([least]) => seconds >= least) ?? [1, "s"];
  const long = `${Math.floor(seconds / size)}${unit}`;
  return ms < 0 ? `in ${long}` : `${long} ago`;
}

/** Cuts a sentence at its end, and a name in the middle, since names often differ at their end. */
function cutCell(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  const characters = [...segmenter.segment(text)].map(({ segment }) => segment);
  const room = width - stringWidth(ellipsis);
  const tail = text.includes(" ") ? 0 : Math.floor(room / 2);
  const head = takeWidth(characters, room - tail);
  const last = takeWidth(characters.toReversed(), tail).toReversed();
  return `${head.join("").trimEnd()}${ellipsis}${last.join("")}`;
}

function takeWidth(characters: readonly string[], width: number): string[] {
  const taken: string[] = [];
  let used = 0;
  for (const character of characters) {
    used += stringWidth(character);
    if (used > width) break;
    taken.push(character);
  }
  return taken;
}

const widest = (column: Cells) => Math.max(...column.map((cell) => stringWidth(cell)));
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
const widthOf = (columns: readonly Cells[]) => sum(columns.map(widest)) + gap * (columns.length - 1);
