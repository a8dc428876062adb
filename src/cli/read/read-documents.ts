import { closeSync, openSync, readSync } from "node:fs";
import type { JsonValue } from "@bufbuild/protobuf";
import type { Document } from "yaml";
import { isNode, isScalar, LineCounter, parseAllDocuments, visit } from "yaml";
import { exactRule, isExact } from "../../text/exact-json.ts";
import type { JsonPath } from "../../text/unreadable-field.ts";
import { CliError } from "../cli-error.ts";
import { plain } from "../show/output.ts";

const sizeLimitBytes = 1024 * 1024;
/** Limit of values that aliases may expand to, nested aliases included. */
const aliasLimit = 100;

/** One document of a YAML (or JSON) file. */
export interface YamlDocument {
  readonly file: string;
  readonly json: JsonValue;
  /** @returns line of the value at a path, or of its nearest parent; from 1 */
  readonly lineOf: (path: JsonPath) => number;
}

/** Where a document is not a tree of values, and the remedy. */
interface Unreadable {
  readonly offset: number;
  readonly rule: string;
  readonly remedy: string;
}

/**
 * Reads the documents of a file; empty ones are left out.
 * @param path - `-` is standard input
 * @throws CliError 2 when it can't be read or is no YAML, with line and column
 */
export function readDocuments(path: string): YamlDocument[] {
  const { text, file } = readText(path, sizeLimitBytes);
  return parseDocuments(text, file);
}

/**
 * Reads a text.
 * @param path - `-` is standard input
 * @param limitBytes - whole MiB
 * @returns the text, and what messages call the file
 * @throws CliError 2 when it can't be read, is larger or is not UTF-8
 */
export function readText(path: string, limitBytes: number): { readonly text: string; readonly file: string } {
  const file = path === "-" ? "standard input" : path;
  return { text: decode(file, readBytes(path, file, limitBytes)), file };
}

/**
 * Reads the documents of a text; empty ones are left out.
 * @param file - where the text is from, for messages
 * @throws CliError 2 when it is no YAML, with line and column
 */
export function parseDocuments(text: string, file: string): YamlDocument[] {
  const lines = new LineCounter();
  return parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, logLevel: "silent" }).flatMap(
    (document) => {
      const found = unreadableIn(document);
      if (found !== undefined) {
        const { line, col: column } = lines.linePos(found.offset);
        const details = [{ file, line, column, rule: found.rule, remedy: found.remedy }];
        throw new CliError(2, `${file} can't be read as YAML or JSON`, { code: "not_yaml", details });
      }
      const json = toJson(document, file);
      if (json === null) return [];
      return [{ file, json, lineOf: (at) => lines.linePos(offsetOf(document, at)).line }];
    },
  );
}

function toJson(document: Document, file: string): JsonValue {
  try {
    return document.toJS({ maxAliasCount: aliasLimit });
  } catch (cause) {
    const fault = `${file}: its aliases (*name) repeat more than ${aliasLimit} values`;
    throw new CliError(2, fault, { code: "too_large", remedy: "write the values out", cause });
  }
}

/** Reads at most the limit, from files, pipes and devices alike. */
function readBytes(path: string, file: string, limitBytes: number): Buffer {
  const bytes = Buffer.alloc(limitBytes + 1);
  let length = 0;
  try {
    const handle = path === "-" ? 0 : openSync(path, "r");
    for (;;) {
      const count = readSome(handle, bytes, length);
      length += count;
      if (count === 0 || length > limitBytes) break;
    }
    if (handle !== 0) closeSync(handle);
  } catch (cause) {
    const { code = "" } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new CliError(2, `${file} does not exist`, { cause, remedy: "name a file that does" });
    if (code === "EISDIR") throw new CliError(2, `${file} is a folder`, { cause, remedy: "name a file in it" });
    throw new CliError(2, `${file} can't be read (${code})`, { cause, remedy: "name a file that can" });
  }
  if (length <= limitBytes) return bytes.subarray(0, length);
  throw new CliError(2, `${file} is larger than ${limitBytes / 1_048_576} MiB`, {
    code: "too_large",
    remedy: "split it",
  });
}

function readSome(handle: number, bytes: Buffer, from: number): number {
  for (;;) {
    try {
      return readSync(handle, bytes, from, bytes.length - from, null);
    } catch (error) {
      // Another process has made the shared terminal or pipe non-blocking, and there is no data yet.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}

function decode(file: string, bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    const before = new TextDecoder("utf-8").decode(bytes).split("\ufffd")[0] ?? "";
    const line = before.split("\n").length;
    throw new CliError(2, `${file}:${line}: not UTF-8`, { code: "not_utf8", remedy: "save it as UTF-8", cause });
  }
}

/** @returns why a document is not a tree of JSON values, if so */
function unreadableIn(document: Document.Parsed): Unreadable | undefined {
  const [fault] = [...document.errors, ...document.warnings];
  if (fault !== undefined) {
    const rule = plain(fault.message).replace(/^Maximum call stack.*/, "it is nested too deeply");
    return { offset: fault.pos[0], rule, remedy: "correct the line" };
  }
  let found: Unreadable | undefined;
  const stop = (node: unknown, rule: string, remedy: string) => {
    found = { offset: (isNode(node) && node.range?.[0]) || 0, rule, remedy };
    return visit.BREAK;
  };
  visit(document, {
    Alias: (_, node, above) => {
      const source = node.resolve(document);
      if (source !== undefined && above.includes(source))
        return stop(node, `*${node.source} stands within what it repeats`, "write the value out");
      return undefined;
    },
    Pair: (_, { key }) =>
      isNode(key) && !isScalar(key) ? stop(key, "a key must be a text", "put it in quotes") : undefined,
    Scalar: (_, node) => {
      const { value, source = "" } = node;
      if (typeof value !== "number" || /^[+-]?0[xo]/.test(source) || isExact(source)) return undefined;
      return stop(node, `${source}: ${exactRule}`, "write it as a text, in quotes");
    },
  });
  return found;
}

function offsetOf(document: Document, path: JsonPath): number {
  for (let length = path.length; length > 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return document.contents?.range?.[0] ?? 0;
}
