import { visit } from "jsonc-parser";

/** A place in JSON that would not be kept as it is written. */
export interface JsonFault {
  /** Names and indexes, outermost first. */
  readonly path: readonly (string | number)[];
  /** As written. */
  readonly value: string;
  readonly rule: string;
}

export const exactRule = "must be a number that a double holds exactly (up to 2^53, about 15 digits)";
const told = 20;
const plainText = "must have no NUL and no lone surrogate";

/**
 * Reads JSON (RFC 8259), and names what would not be kept as written: repeated names in an object, numbers that are not exactly a double,
 * text that Postgres can't store or RFC 8785 can't write, and values nested deeper than `depthLimit`.
 * @returns at most 20 faults
 * @throws SyntaxError
 */
export function readExactJson(text: string, depthLimit: number): { value: unknown; faults: readonly JsonFault[] } {
  const value: unknown = JSON.parse(text);
  const deep = pathBelow(value, depthLimit);
  if (deep !== undefined)
    return { value, faults: [{ path: deep, value: "", rule: `must be at most ${depthLimit} levels deep` }] };
  const faults: JsonFault[] = [];
  const found = (path: readonly (string | number)[], written: string, rule: string): void => {
    if (faults.length < told) faults.push({ path, value: written, rule });
  };
  const names: Set<string>[] = [];
  visit(
    text,
    {
      onObjectBegin: () => void names.push(new Set()),
      onObjectEnd: () => void names.pop(),
      onObjectProperty: (name, _offset, _length, _line, _character, path) => {
        const known = names.at(-1);
        if (known?.has(name)) found([...path(), name], name, "must come once in its object");
        known?.add(name);
        if (!isPlain(name)) found([...path(), name], name, plainText);
      },
      onLiteralValue: (literal, offset, length, _line, _character, path) => {
        const written = () => text.slice(offset, offset + length);
        if (typeof literal === "number" && !isExact(written())) found(path(), written(), exactRule);
        if (typeof literal === "string" && !isPlain(literal)) found(path(), literal, plainText);
      },
    },
    { disallowComments: true },
  );
  return { value, faults };
}

const isPlain = (text: string): boolean => !text.includes("\0") && text.isWellFormed();

/** @returns the place that is nested too deeply */
function pathBelow(value: unknown, depth: number): (string | number)[] | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (depth === 0) return [];
  for (const [name, inner] of Object.entries(value)) {
    const below = pathBelow(inner, depth - 1);
    if (below !== undefined) return [name, ...below];
  }
  return undefined;
}

/** Whether a decimal stays the same when it is read as a double and written again (ECMAScript's shortest form, as in RFC 8785). */
export function isExact(written: string): boolean {
  const read = String(Number(written));
  return read === written || (Number.isFinite(Number(read)) && decimalOf(written) === decimalOf(read));
}

/** @returns sign, digits without zeros around, and the power of ten before them: the same for `1.50e1` and `15` */
function decimalOf(written: string): string {
  const [mantissa = "", exponent = "0"] = written.toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.replace(/^[+-]/, "").split(".");
  const digits = whole + fraction;
  let from = 0;
  let to = digits.length;
  while (digits[from] === "0") from += 1;
  while (to > from && digits[to - 1] === "0") to -= 1;
  if (from === to) return "0";
  return `${mantissa.startsWith("-") ? "-" : ""}${digits.slice(from, to)}e${Number(exponent) + whole.length - from}`;
}
