import type { DescMessage, JsonValue } from "@bufbuild/protobuf";
import { create, fromJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { reason } from "../definitions/reason.ts";
import { ReasonSchema } from "../gen/automation/v1/run_event_pb.ts";
import type { JsonFault } from "../text/json-fault.ts";
import { findJsonFault, jsonAt } from "../text/json-fault.ts";

const notUtf8: JsonFault = { path: [], rule: "JSON is UTF-8", remedy: "send its bytes in UTF-8" };
const tooDeep: JsonFault = {
  path: [],
  rule: "is nested too deeply to be read",
  remedy: "send the message's own fields",
};
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Options of a Connect handler by which JSON that is not wholly understood is refused, with the field, its value, the rule and the remedy.
 * Connect reads a request's bytes through `textDecoder`: the one place that sees the text, and whose error is told as it is.
 */
export function createJsonReading(schema: DescMessage) {
  return {
    ignoreUnknownFields: false,
    textDecoder: {
      decode(bytes?: Uint8Array): string {
        const text = decodeText(schema, bytes);
        try {
          fromJsonString(schema, text);
        } catch (error) {
          throw refusalOf(schema, text, error);
        }
        return text;
      },
    },
  };
}

function decodeText(schema: DescMessage, bytes: Uint8Array | undefined): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw refusal(schema, "", notUtf8);
  }
}

function refusalOf(schema: DescMessage, text: string, error: unknown): ConnectError {
  let json: JsonValue;
  try {
    json = JSON.parse(text);
  } catch (fault) {
    const rule = fault instanceof Error ? fault.message : String(fault);
    return refusal(schema, text, { path: [], rule, remedy: "send one JSON object" });
  }
  try {
    return refusal(schema, json, findJsonFault(schema, json, error));
  } catch (fault) {
    if (fault instanceof RangeError) return refusal(schema, "", tooDeep); // the stack has an end
    throw fault;
  }
}

function refusal(schema: DescMessage, json: JsonValue, { path, rule, remedy }: JsonFault): ConnectError {
  const why = reason("invalid_field", path.join("."), jsonAt(json, path), rule, remedy);
  const where = why.field === "" ? "" : `${why.field} `;
  return new ConnectError(
    `the request is not a ${schema.typeName} in JSON: ${where}"${why.value}": ${why.rule}; ${why.remedy}`,
    Code.InvalidArgument,
    undefined,
    [{ desc: ReasonSchema, value: create(ReasonSchema, why) }],
  );
}
