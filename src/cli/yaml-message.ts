import { readFileSync, statSync } from "node:fs";
import type { DescField, DescMessage, JsonValue, MessageShape } from "@bufbuild/protobuf";
import { fromJson } from "@bufbuild/protobuf";
import type { Path } from "@bufbuild/protobuf/reflect";
import type { Validator } from "@bufbuild/protovalidate";
import { createValidator } from "@bufbuild/protovalidate";
import type { Document } from "yaml";
import { isNode, LineCounter, parseAllDocuments } from "yaml";
import { cutText } from "../text/strangers-text.ts";
import { CliError } from "./cli-error.ts";
import { plain } from "./output.ts";

const sizeLimitBytes = 1024 * 1024;

/** One document of a YAML (or JSON) file. */
export interface YamlDocument {
  readonly file: string;
  readonly json: JsonValue;
  /** @returns line of the value at a path, or of the nearest thing above it; from 1 */
  readonly lineOf: (path: FieldPath) => number;
}

export type FieldPath = readonly (string | number)[];

/** Something in a file that is not right. */
export interface Fault {
  readonly path: FieldPath;
  readonly rule: string;
  readonly remedy: string;
}

export type Checked<T> = { readonly message: T } | { readonly faults: readonly string[] };

/**
 * Reads the documents of a file; empty ones are left out.
 * @throws CliError 2 when the file can't be read or is no YAML, with the line
 */
export function readDocuments(file: string): YamlDocument[] {
  const lines = new LineCounter();
  return parseAllDocuments(readText(file), { lineCounter: lines, prettyErrors: false }).flatMap((document) => {
    const fault = document.errors[0];
    if (fault !== undefined) {
      const { line } = lines.linePos(fault.pos[0]);
      throw new CliError(2, `${file}:${line}: not YAML: ${plain(fault.message)}; correct the line`);
    }
    const json: JsonValue = document.toJS({ maxAliasCount: 100 });
    if (json === null) return [];
    return [{ file, json, lineOf: (path) => lines.linePos(offsetOf(document, path)).line }];
  });
}

function readText(file: string): string {
  try {
    if (statSync(file).size <= sizeLimitBytes) return readFileSync(file, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new CliError(2, `${file} does not exist; name a file that does`, { cause });
    throw new CliError(2, `${file} can't be read: ${code}`, { cause });
  }
  throw new CliError(2, `${file} is larger than 1 MiB; split it`);
}

/**
 * Makes a message of the value at `at`: unknown fields are refused and the rules of the proto asked, all at once.
 * @returns the message, or one line per fault: file, line, field, value, rule, remedy
 */
export function checkMessage<D extends DescMessage>(
  schema: D,
  source: YamlDocument,
  at: readonly string[],
): Checked<MessageShape<D>> {
  const json = valueAt(source.json, at);
  if (json === undefined) {
    return { faults: [faultLine(source, { path: at, rule: `holds a ${schema.name}`, remedy: "add it" })] };
  }
  let message: MessageShape<D>;
  try {
    message = fromJson(schema, json);
  } catch (error) {
    return { faults: [faultLine(source, findUnreadable(schema, json, at, error))] };
  }
  const result = validate(schema, message);
  if (result.kind === "valid") return { message };
  if (result.kind === "error") throw result.error;
  return {
    faults: result.violations.map((violation) =>
      faultLine(source, {
        path: [...at, ...pathIn(json, violation.field)],
        rule: violation.message,
        remedy: violation.ruleId === "required" ? "add it" : "correct it",
      }),
    ),
  };
}

let validator: Validator | undefined;
const validate: Validator["validate"] = (schema, message) => {
  validator ??= createValidator();
  return validator.validate(schema, message);
};

/** @returns `file:line: field value: rule; remedy` */
export function faultLine({ file, json, lineOf }: YamlDocument, { path, rule, remedy }: Fault): string {
  const value = valueAt(json, path);
  const shown = value === undefined ? "(absent)" : cutText(JSON.stringify(value), 80);
  const field = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`)).join("");
  return `${file}:${lineOf(path)}: ${field.slice(1) || "document"} ${plain(shown)}: ${plain(rule)}; ${plain(remedy)}`;
}

/** Finds the field that makes `fromJson` fail, by reading ever smaller parts. */
function findUnreadable(schema: DescMessage, json: JsonValue, path: FieldPath, error: unknown): Fault {
  const rule = (error instanceof Error ? error.message : String(error)).replace(/^.* from JSON: /, "");
  if (!isObject(json)) return { path, rule: `must be a mapping of fields of ${schema.name}`, remedy: "correct it" };
  for (const [key, value] of Object.entries(json)) {
    const field = schema.fields.find(({ name, jsonName }) => key === name || key === jsonName);
    const here = [...path, key];
    if (field === undefined) {
      const known = schema.fields.map(({ jsonName }) => jsonName).join(", ");
      return { path: here, rule: `${schema.name} has no such field`, remedy: `use one of ${known}` };
    }
    const parts: [FieldPath, JsonValue, JsonValue][] =
      field.fieldKind === "list" && Array.isArray(value)
        ? value.map((item, index) => [[...here, index], item, [item]])
        : [[here, value, value]];
    for (const [partPath, part, wrapped] of parts) {
      const fault = failureOf(schema, { [key]: wrapped });
      if (fault === undefined) continue;
      const inner = messageOf(field);
      if (inner !== undefined) return findUnreadable(inner, part, partPath, fault);
      return findUnreadableScalar(field, partPath, fault);
    }
  }
  return { path, rule, remedy: "correct it" };
}

function findUnreadableScalar(field: DescField, path: FieldPath, fault: Error): Fault {
  if (field.enum !== undefined) {
    const names = field.enum.values.filter(({ number }) => number !== 0).map(({ name }) => name);
    return { path, rule: `must be a ${field.enum.name}`, remedy: `use one of ${names.join(", ")}` };
  }
  const rule = fault.message.replace(/^.* from JSON: /, "");
  return { path, rule, remedy: rule.startsWith("expected string") ? "put it in quotes" : "correct it" };
}

function failureOf(schema: DescMessage, json: JsonValue): Error | undefined {
  try {
    fromJson(schema, json);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** The message a field holds, unless its JSON form is not a mapping of fields. */
function messageOf(field: DescField): DescMessage | undefined {
  const message = field.message;
  return message?.typeName.startsWith("google.protobuf.") ? undefined : message;
}

/** A violation's path in the words of the file, which may write `jsonName` or the proto name. */
function pathIn(json: JsonValue, field: Path): FieldPath {
  const path: (string | number)[] = [];
  for (const part of field) {
    if (part.kind === "list_sub") path.push(part.index);
    if (part.kind !== "field") continue;
    const above = valueAt(json, path);
    path.push(isObject(above) && part.name in above ? part.name : part.jsonName);
  }
  return path;
}

function valueAt(json: JsonValue, path: FieldPath): JsonValue | undefined {
  let value: JsonValue | undefined = json;
  for (const part of path) {
    if (Array.isArray(value)) value = value[Number(part)];
    else if (isObject(value)) value = Object.hasOwn(value, part) ? value[part] : undefined;
    else return undefined;
  }
  return value;
}

function offsetOf(document: Document, path: FieldPath): number {
  for (let length = path.length; length > 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return document.contents?.range?.[0] ?? 0;
}

function isObject(json: JsonValue | undefined): json is { [key: string]: JsonValue } {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
