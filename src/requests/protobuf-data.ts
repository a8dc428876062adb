import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { fromBinary, toJson } from "@bufbuild/protobuf";
import type { ReflectMessage } from "@bufbuild/protobuf/reflect";
import { reflect } from "@bufbuild/protobuf/reflect";
import { RunRequestedSchema } from "../gen/automation/v1/run_requested_pb.ts";

/**
 * Reads a binary `RunRequested` as proto JSON with lowerCamelCase names and without defaults, so that both forms of a request are one event.
 * A field that the schema does not have stays there under its number, as the base64 of its bytes: the rules for unknown names apply to it,
 * and events that differ in it only are not the same.
 * @throws Error when the bytes are no such message, or one that has no JSON form
 */
export function jsonOfProtobuf(bytes: Uint8Array): JsonValue {
  const message = fromBinary(RunRequestedSchema, bytes);
  const json = toJson(RunRequestedSchema, message) as unknown as JsonObject;
  addUnknown(reflect(RunRequestedSchema, message), json);
  return json;
}

function addUnknown(message: ReflectMessage, json: JsonObject): void {
  for (const { no, data } of message.getUnknown() ?? []) {
    const earlier = json[no];
    json[no] = [...(Array.isArray(earlier) ? earlier : []), Buffer.from(data).toString("base64")];
  }
  for (const field of message.fields) {
    if (!message.isSet(field) || field.message?.typeName.startsWith("google.protobuf.")) continue;
    const inner = json[field.jsonName];
    if (field.fieldKind === "message") addUnknown(message.get(field), inner as JsonObject);
    if (field.fieldKind === "list" && field.listKind === "message")
      for (const [index, each] of [...message.get(field)].entries())
        addUnknown(each as ReflectMessage, (inner as JsonObject[])[index] as JsonObject);
  }
}
