import type { DescField, DescMessage, JsonObject, JsonValue } from "@bufbuild/protobuf";
import { fromJson, ScalarType, toJson } from "@bufbuild/protobuf";

/** One message for each member of the largest oneof, every field set, as proto JSON writes it. */
export function sampleEvents(message: DescMessage): JsonObject[] {
  const most = Math.max(1, ...message.oneofs.map(({ fields }) => fields.length));
  return Array.from(
    { length: most },
    (_, choice) => toJson(message, fromJson(message, filled(message, choice, 6))) as JsonObject,
  );
}

/** @param choice - place of the member of each oneof @param depth - of messages within messages, which may contain themselves */
function filled(message: DescMessage, choice: number, depth: number): JsonObject {
  const left = new Set(message.oneofs.flatMap(({ fields }) => fields.filter((_, n) => n !== choice % fields.length)));
  return Object.fromEntries(
    message.fields.flatMap((field): [string, JsonValue][] => {
      const value = left.has(field) ? undefined : sample(field, choice, depth);
      if (value === undefined) return [];
      return [
        [field.jsonName, field.fieldKind === "list" ? [value] : field.fieldKind === "map" ? { key: value } : value],
      ];
    }),
  );
}

function sample(field: DescField, choice: number, depth: number): JsonValue | undefined {
  if (field.message !== undefined)
    return wellKnown[field.message.typeName] ?? (depth === 0 ? undefined : filled(field.message, choice, depth - 1));
  if (field.enum !== undefined) return field.enum.values.find(({ number }) => number !== 0)?.name;
  if (field.scalar === ScalarType.STRING) return "text";
  if (field.scalar === ScalarType.BOOL) return true;
  return field.scalar === ScalarType.BYTES ? "AQ==" : 1;
}

const wellKnown: Readonly<Record<string, JsonValue>> = {
  "google.protobuf.Timestamp": "2026-01-31T12:00:00Z",
  "google.protobuf.Duration": "1.500s",
  "google.protobuf.Struct": {},
};
