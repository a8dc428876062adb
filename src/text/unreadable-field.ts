import type { DescField, DescMessage, JsonValue } from "@bufbuild/protobuf";
import { fromJson } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { utcOf } from "./rfc3339.ts";

export type JsonPath = readonly (string | number)[];

/** What is wrong in the JSON of a message: where, the broken rule, and the remedy. */
export interface UnreadableField {
  readonly path: JsonPath;
  readonly rule: string;
  readonly remedy: string;
}

/**
 * Finds the field that makes `fromJson` fail, by reading smaller and smaller parts.
 * @param at - path of the value in the whole document
 * @param error - what `fromJson` threw
 */
export function findUnreadableField(
  schema: DescMessage,
  json: JsonValue,
  error: unknown,
  at: JsonPath = [],
): UnreadableField {
  if (!isObject(json)) return { path: at, rule: `must be a mapping of fields of ${schema.name}`, remedy: "correct it" };
  const keys = new Map<DescField, string>();
  for (const [key, value] of Object.entries(json)) {
    const field = schema.fields.find(({ name, jsonName }) => key === name || key === jsonName);
    const here = [...at, key];
    if (field === undefined) {
      const known = schema.fields.map(({ jsonName }) => jsonName).join(", ");
      return { path: here, rule: `${schema.name} has no such field`, remedy: `use one of ${known}` };
    }
    const other = keys.get(field);
    if (other !== undefined) return { path: here, rule: `is the same field as ${other}`, remedy: "leave one out" };
    keys.set(field, key);
    for (const { path, part, alone } of partsOf(field, here, value)) {
      const fault = failureOf(schema, { [key]: alone });
      if (fault === undefined) continue;
      const inner = messageOf(field);
      return inner === undefined ? faultOfScalar(field, path, fault) : findUnreadableField(inner, part, fault, path);
    }
  }
  return { path: at, rule: ruleOf(error), remedy: "correct it" };
}

/**
 * Finds a time that does not exist and that `fromJson` reads as another one: 30 February as 2 March.
 * @param at - as of `findUnreadableField`
 */
export function findImpossibleTime(
  schema: DescMessage,
  json: JsonValue,
  at: JsonPath = [],
): UnreadableField | undefined {
  if (!isObject(json)) return undefined;
  for (const [key, value] of Object.entries(json)) {
    const field = schema.fields.find(({ name, jsonName }) => key === name || key === jsonName);
    if (field?.message === undefined) continue;
    for (const { path, part } of partsOf(field, [...at, key], value)) {
      const isTime = field.message.typeName === TimestampSchema.typeName && typeof part === "string";
      if (isTime && utcOf(part) === undefined)
        return { path, rule: "must be a day and time that exist", remedy: "correct it" };
      const inner = messageOf(field);
      const fault = inner && findImpossibleTime(inner, part, path);
      if (fault !== undefined) return fault;
    }
  }
  return undefined;
}

/** A field's value, or each item of its list or map, and the smallest value that holds it alone. */
function partsOf(field: DescField, here: JsonPath, value: JsonValue) {
  if (field.fieldKind === "list" && Array.isArray(value))
    return value.map((part, index) => ({ path: [...here, index], part, alone: [part] }));
  if (field.fieldKind === "map" && isObject(value))
    return Object.entries(value).map(([key, part]) => ({ path: [...here, key], part, alone: { [key]: part } }));
  return [{ path: here, part: value, alone: value }];
}

function faultOfScalar(field: DescField, path: JsonPath, fault: Error): UnreadableField {
  if (field.enum !== undefined) {
    const names = field.enum.values.filter(({ number }) => number !== 0).map(({ name }) => name);
    return { path, rule: `must be a ${field.enum.name}`, remedy: `use one of ${names.join(", ")}` };
  }
  const rule = ruleOf(fault);
  return { path, rule, remedy: rule.startsWith("expected string") ? "put it in quotes" : "correct it" };
}

/** The library's message without its prefix. */
function ruleOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const begin = message.indexOf(" from JSON: ");
  return begin === -1 ? message : message.slice(begin + " from JSON: ".length);
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

/** @returns the value at a path, if there is one */
export function jsonAt(json: JsonValue, path: JsonPath): JsonValue | undefined {
  let value: JsonValue | undefined = json;
  for (const part of path) {
    if (Array.isArray(value)) value = value[Number(part)];
    else if (isObject(value)) value = Object.hasOwn(value, part) ? value[part] : undefined;
    else return undefined;
  }
  return value;
}

export function isObject(json: JsonValue | undefined): json is { [key: string]: JsonValue } {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
