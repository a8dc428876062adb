import type { DescEnum, DescField, DescMessage } from "@bufbuild/protobuf";

/** A field or an enum name that is not in the schema. */
export interface UnknownField {
  /** Field names as they were written, outermost first, joined by dots. */
  readonly path: string;
  readonly value: unknown;
  readonly rule: string;
}

/** @returns everything in the proto JSON that `fromJson` with `ignoreUnknownFields` would drop */
export function unknownFields(schema: DescMessage, json: unknown): UnknownField[] {
  return inMessage(schema, json, []);
}

type Path = readonly string[];

function inMessage(schema: DescMessage, json: unknown, path: Path): UnknownField[] {
  // Google's well-known types have their own JSON forms, from which nothing is dropped
  if (!isObject(json) || schema.typeName.startsWith("google.protobuf.")) return [];
  return Object.entries(json).flatMap(([name, value]) => {
    const field = schema.fields.find((each) => each.jsonName === name || each.name === name);
    const at = [...path, name];
    return field === undefined ? [unknown(at, value, `is no field of ${schema.typeName}`)] : inField(field, value, at);
  });
}

function inField(field: DescField, json: unknown, path: Path): UnknownField[] {
  const inOne = (each: unknown, at: Path): UnknownField[] =>
    field.message !== undefined
      ? inMessage(field.message, each, at)
      : field.enum !== undefined
        ? inEnum(field.enum, each, at)
        : [];
  if (field.fieldKind === "list" && Array.isArray(json))
    return json.flatMap((each, index) => inOne(each, [...path, String(index)]));
  if (field.fieldKind === "map" && isObject(json))
    return Object.entries(json).flatMap(([key, each]) => inOne(each, [...path, key]));
  return inOne(json, path);
}

function inEnum(schema: DescEnum, json: unknown, path: Path): UnknownField[] {
  return typeof json !== "string" || schema.values.some(({ name }) => name === json)
    ? []
    : [unknown(path, json, `is no name of ${schema.typeName}`)];
}

const unknown = (path: Path, value: unknown, rule: string): UnknownField => ({ path: path.join("."), value, rule });

const isObject = (json: unknown): json is Record<string, unknown> =>
  typeof json === "object" && json !== null && !Array.isArray(json);
