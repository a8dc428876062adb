import type { DescMessage, JsonValue } from "@bufbuild/protobuf";
import { create, fromJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { reason } from "../../definitions/rejection-reason.ts";
import { ReasonSchema } from "../../gen/automation/v1/run_event_pb.ts";
import { readExactJson } from "../../text/exact-json.ts";
import type { UnreadableField } from "../../text/unreadable-field.ts";
import { findImpossibleTime, findUnreadableField, jsonAt } from "../../text/unreadable-field.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });
const depthLimit = 100;

/** What is wrong in a request's JSON. */
interface Fault {
  readonly path: readonly (string | number)[];
  readonly value: unknown;
  readonly rule: string;
  readonly remedy: string;
}

/**
 * Options of a Connect handler that refuse JSON with anything unknown in it, naming field, value, rule and remedy.
 * Connect reads a request's bytes through `textDecoder`. It is the only hook that sees the text and whose error is sent unchanged.
 */
export function createJsonReading(schema: DescMessage) {
  return {
    ignoreUnknownFields: false,
    textDecoder: {
      decode(bytes?: Uint8Array): string {
        const text = decodeUtf8(schema, bytes);
        const fault = faultIn(schema, text);
        if (fault !== undefined) throw refusal(schema, fault);
        return text;
      },
    },
  };
}

function decodeUtf8(schema: DescMessage, bytes: Uint8Array | undefined): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw refusal(schema, { path: [], value: "", rule: "JSON is UTF-8", remedy: "send its bytes in UTF-8" });
  }
}

function faultIn(schema: DescMessage, text: string): Fault | undefined {
  let exact: ReturnType<typeof readExactJson>;
  try {
    exact = readExactJson(text, depthLimit);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { path: [], value: text, rule: error.message, remedy: "send one JSON object" };
  }
  const [inexact] = exact.faults;
  if (inexact !== undefined) return { ...inexact, remedy: "correct it, or send a large number as text" };
  const json = exact.value as JsonValue;
  try {
    fromJson(schema, json);
  } catch (error) {
    return faultAt(json, findUnreadableField(schema, json, error));
  }
  const time = findImpossibleTime(schema, json);
  return time && faultAt(json, time);
}

const faultAt = (json: JsonValue, field: UnreadableField): Fault => ({ ...field, value: jsonAt(json, field.path) });

function refusal(schema: DescMessage, { path, value, rule, remedy }: Fault): ConnectError {
  const why = reason("invalid_field", path.join("."), value, rule, remedy);
  const where = why.field === "" ? "" : `${why.field} `;
  return new ConnectError(
    `the request is not a ${schema.typeName} in JSON: ${where}"${why.value}": ${why.rule}; ${why.remedy}`,
    Code.InvalidArgument,
    undefined,
    [{ desc: ReasonSchema, value: create(ReasonSchema, why) }],
  );
}
