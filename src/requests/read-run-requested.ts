import type { JsonValue } from "@bufbuild/protobuf";
import { fromJson } from "@bufbuild/protobuf";
import type { Reason } from "../definitions/rejection-reason.ts";
import { reason } from "../definitions/rejection-reason.ts";
import type { RunRequested } from "../gen/automation/v1/run_requested_pb.ts";
import { RunRequestedSchema } from "../gen/automation/v1/run_requested_pb.ts";
import { cutText, storable } from "../text/strangers-text.ts";
import type { UnreadableField } from "../text/unreadable-field.ts";
import { findImpossibleTime, jsonAt } from "../text/unreadable-field.ts";
import type { CloudEvent } from "./cloudevent.ts";
import { readDataSchema } from "./data-schema.ts";
import { unknownFields } from "./unknown-fields.ts";

/** Most reasons, and most dropped fields, of one request. */
const told = 20;

/**
 * Reads an event's data as a `RunRequested`. Unknown fields are a fault, unless the event names a newer minor version of the schema: then they are dropped.
 * @returns the request and the paths that were dropped, at most 20; or why the data is no request
 */
export function readRunRequested({
  data,
  dataSchema,
}: Pick<CloudEvent, "data" | "dataSchema">):
  | { readonly message: RunRequested; readonly droppedFields: readonly string[] }
  | { readonly reasons: readonly Reason[] } {
  const schema = readDataSchema(dataSchema);
  if ("code" in schema) return { reasons: [schema] };
  const unknown = unknownFields(RunRequestedSchema, data).slice(0, told);
  if (unknown.length > 0 && !schema.isNewer)
    return {
      reasons: unknown.map(({ path, value, rule }) =>
        reason(
          "unknown_field",
          `data.${path}`,
          value,
          rule,
          "correct the name; if the data is of a newer minor version, say so in dataschema, and new fields are dropped",
        ),
      ),
    };
  try {
    const message = fromJson(RunRequestedSchema, data as JsonValue, { ignoreUnknownFields: true });
    const time = findImpossibleTime(RunRequestedSchema, data as JsonValue, ["data"]);
    if (time !== undefined) return { reasons: [timeFault(data as JsonValue, time)] };
    return { message, droppedFields: unknown.map(({ path }) => storable(cutText(path, 200))) };
  } catch (error) {
    const isObject = typeof data === "object" && data !== null && !Array.isArray(data);
    const why = error instanceof Error ? error.message : String(error);
    const rule = isObject ? why : `must be a JSON object of the fields of ${RunRequestedSchema.typeName}`;
    const remedy = "send an automation.v1.RunRequested as proto JSON";
    return { reasons: [reason("not_a_run_request", "data", data, rule, remedy)] };
  }
}

const timeFault = (data: JsonValue, { path, rule, remedy }: UnreadableField): Reason =>
  reason("not_a_run_request", path.join("."), jsonAt(data, path.slice(1)), rule, remedy);
