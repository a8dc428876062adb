import type { DescMessage, JsonValue, MessageShape } from "@bufbuild/protobuf";
import { fromJson } from "@bufbuild/protobuf";
import type { Path } from "@bufbuild/protobuf/reflect";
import type { Validator } from "@bufbuild/protovalidate";
import { createValidator } from "@bufbuild/protovalidate";
import { cutText } from "../../text/strangers-text.ts";
import type { JsonPath, UnreadableField } from "../../text/unreadable-field.ts";
import { findImpossibleTime, findUnreadableField, isObject, jsonAt } from "../../text/unreadable-field.ts";
import type { Detail } from "../cli-error.ts";
import type { YamlDocument } from "./read-documents.ts";

export type Checked<T> = { readonly message: T } | { readonly faults: readonly Detail[] };

/**
 * Reads the value at `at` as a message; refuses unknown fields, and checks all rules of the proto.
 * @returns the message, or each fault: file, line, field, value, rule, remedy
 */
export function checkMessage<D extends DescMessage>(
  schema: D,
  source: YamlDocument,
  at: readonly string[],
): Checked<MessageShape<D>> {
  const json = jsonAt(source.json, at);
  if (json === undefined) {
    return { faults: [detailOf(source, { path: at, rule: `holds a ${schema.name}`, remedy: "add it" })] };
  }
  let message: MessageShape<D>;
  try {
    message = fromJson(schema, json);
  } catch (error) {
    return { faults: [detailOf(source, findUnreadableField(schema, json, error, at))] };
  }
  const time = findImpossibleTime(schema, json, at);
  if (time !== undefined) return { faults: [detailOf(source, time)] };
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
export function detailOf({ file, json, lineOf }: YamlDocument, { path, rule, remedy }: UnreadableField): Detail {
  const value = jsonAt(json, path);
  const shown = value === undefined ? "(absent)" : cutText(JSON.stringify(value), 80);
  const field = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`)).join("");
  return { file, line: lineOf(path), field: field.slice(1) || "document", value: shown, rule, remedy };
}

/** The path of a violation with the field names of the file, which may use `jsonName` or the proto name. */
function pathIn(json: JsonValue, field: Path): JsonPath {
  const path: (string | number)[] = [];
  for (const part of field) {
    if (part.kind === "list_sub") path.push(part.index);
    if (part.kind === "map_sub") path.push(String(part.key));
    if (part.kind !== "field") continue;
    const above = jsonAt(json, path);
    path.push(isObject(above) && part.name in above ? part.name : part.jsonName);
  }
  return path;
}
