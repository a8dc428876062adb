import type { JsonValue } from "@bufbuild/protobuf";
import { fromJson } from "@bufbuild/protobuf";
import type { Reason } from "../definitions/reason.ts";
import { reason } from "../definitions/reason.ts";
import type { RunRequested } from "../gen/automation/v1/run_requested_pb.ts";
import { RunRequestedSchema } from "../gen/automation/v1/run_requested_pb.ts";
import { cutText, storable } from "../text/strangers-text.ts";
import type { CloudEvent } from "./cloudevent.ts";
import { readDataSchema } from "./data-schema.ts";
import { utcOf } from "./rfc3339.ts";
import { unknownFields } from "./unknown-fields.ts";

/** Reasons and dropped fields that are told at most. */
const told = 20;

/**
 * Reads an event's data as a `RunRequested`. Fields that are not known are dropped only if the event says that its schema is a newer minor version, and are named then.
 * @returns the request and the paths that were dropped, at most 20; or why it is none
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
          "correct the name; data of a newer minor version says so in dataschema, and its new fields are dropped",
        ),
      ),
    };
  try {
    const message = fromJson(RunRequestedSchema, data as JsonValue, { ignoreUnknownFields: true });
    const deadline = deadlineFault(data);
    if (deadline !== undefined) return { reasons: [deadline] };
    return { message, droppedFields: unknown.map(({ path }) => storable(cutText(path, 200))) };
  } catch (error) {
    const isObject = typeof data === "object" && data !== null && !Array.isArray(data);
    const why = error instanceof Error ? error.message : String(error);
    const rule = isObject ? why : `must be a JSON object of the fields of ${RunRequestedSchema.typeName}`;
    const remedy = "send an automation.v1.RunRequested as proto JSON";
    return { reasons: [reason("not_a_run_request", "data", data, rule, remedy)] };
  }
}

/** Proto JSON takes the 30th of February for the 2nd of March. */
function deadlineFault(data: unknown): Reason | undefined {
  const { deadline } = data as { readonly deadline?: unknown };
  return typeof deadline !== "string" || utcOf(deadline) !== undefined
    ? undefined
    : reason(
        "not_a_run_request",
        "data.deadline",
        deadline,
        "must be a day and time that exist",
        "correct the deadline",
      );
}
