import type { DescField, DescMessage, JsonValue, MessageShape } from "@bufbuild/protobuf";
import { fromJson } from "@bufbuild/protobuf";
import type { Path } from "@bufbuild/protobuf/reflect";
import type { Validator } from "@bufbuild/protovalidate";
import { createValidator } from "@bufbuild/protovalidate";
import { cutText } from "../text/strangers-text.ts";
import type { Detail } from "./cli-error.ts";
import type { FieldPath, YamlDocument } from "./read-documents.ts";

/** Something in a file that is not right. */
export interface Fault {
  readonly path: FieldPath;
  readonly rule: string;
  readonly remedy: string;
}

export type Checked<T> = { readonly message: T } | { readonly faults: readonly Detail[] };

/**
 * Makes a message of the value at `at`: unknown fields are refused and the rules of the proto asked, all at once.
 * @returns the message, or each fault: file, line, field, value, rule, remedy
 */
export function checkMessage<D extends DescMessage>(
  schema: D,
  source: YamlDocument,
  at: readonly string[],
): Checked<MessageShape<D>> {
  const json = valueAt(source.json, at);
  if (json === undefined) {
    return { faults: [detailOf(source, { path: at, rule: `holds a ${schema.name}`, remedy: "add it" })] };
  }
  let message: MessageShape<D>;
  try {
    message = fromJson(schema, json);
  } catch (error) {
    return { faults: [detailOf(source, findUnreadable(schema, json, at, error))] };
  }
  const result = validate(schema, message);
  if (result.kind === "valid") return { message };
  if (result.kind === "error") throw result.error;
  return {
    faults: result.violations.map((violation) =>
      detailOf(source, {
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

/** @returns the fault with file, line, field and value */
export function detailOf({ file, json, lineOf }: YamlDocument, { path, rule, remedy }: Fault): Detail {
  const value = valueAt(json, path);
  const shown = value === undefined ? "(absent)" : cutText(JSON.stringify(value), 80);
  const field = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`)).join("");
  return { file, line: lineOf(path), field: field.slice(1) || "document", value: shown, rule, remedy };
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

function isObject(json: JsonValue | undefined): json is { [key: string]: JsonValue } {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
