import type { Reason } from "../definitions/rejection-reason.ts";
import { reason } from "../definitions/rejection-reason.ts";
import { RunRequestedSchema } from "../gen/automation/v1/run_requested_pb.ts";
import { readExactJson } from "../text/exact-json.ts";
import { jsonOfProtobuf } from "./protobuf-data.ts";

/** Largest event data, bytes. */
export const dataLimitBytes = 256 * 1024;
/** Most levels of event data. */
export const depthLimit = 32;

/** The data, or why it can't be read. */
export type Data = { readonly value: unknown } | { readonly cause: string; readonly reasons: readonly Reason[] };

/** @param bytes - at most `dataLimitBytes` */
export function readData(bytes: Uint8Array, format: "json" | "protobuf"): Data {
  return format === "json" ? readJsonData(bytes) : readProtobufData(bytes);
}

function readProtobufData(bytes: Uint8Array): Data {
  try {
    return readJsonData(Buffer.from(JSON.stringify(jsonOfProtobuf(bytes))));
  } catch (error) {
    const rule = `must be a binary ${RunRequestedSchema.typeName}: ${error instanceof Error ? error.message : String(error)}`;
    const shown = Buffer.from(bytes.subarray(0, 60)).toString("base64");
    const remedy = "encode that message, or send the data as application/json";
    return { cause: "not_protobuf", reasons: [reason("not_protobuf", "data", shown, rule, remedy)] };
  }
}

function readJsonData(bytes: Uint8Array): Data {
  const read = readJson(bytes, "data", depthLimit);
  if ("cause" in read) return read;
  return read.faults.length > 0 ? { cause: "invalid_data", reasons: read.faults } : { value: read.value };
}

/** @param text - of the field `data_base64`, any JSON */
export function readBase64(text: unknown, format: "json" | "protobuf"): Data {
  const bytes = typeof text === "string" ? Buffer.from(text, "base64") : undefined;
  if (bytes === undefined || bytes.toString("base64") !== text) {
    const rule = "must be base64 (RFC 4648, section 4)";
    return {
      cause: "invalid_data",
      reasons: [reason("invalid_data", "data_base64", text, rule, "encode the data anew")],
    };
  }
  return bytes.length > dataLimitBytes
    ? { cause: "too_large", reasons: [tooLarge(bytes.length)] }
    : readData(bytes, format);
}

/**
 * Reads JSON that two readers can't understand differently.
 * @param field - that holds it; empty: each field is named by itself
 * @param depth - most levels
 */
export function readJson(
  bytes: Uint8Array,
  field: string,
  depth: number,
): { readonly value: unknown; readonly faults: readonly Reason[] } | Extract<Data, { cause: string }> {
  try {
    const { value, faults } = readExactJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes), depth);
    const reasons = faults.map((fault) =>
      reason(
        "invalid_data",
        (field === "" ? fault.path : [field, ...fault.path]).join("."),
        fault.value,
        fault.rule,
        "send plain, shallower JSON, and numbers that a double can't hold as strings",
      ),
    );
    return { value, faults: reasons };
  } catch (error) {
    const rule = `must be UTF-8 JSON: ${error instanceof Error ? error.message : String(error)}`;
    const shown = new TextDecoder().decode(bytes.subarray(0, 80));
    return {
      cause: "not_json",
      reasons: [reason("not_json", field || "value", shown, rule, "send the data as application/json")],
    };
  }
}

export const tooLarge = (sizeBytes: number): Reason =>
  reason(
    "too_large",
    "data",
    `${sizeBytes} bytes`,
    `must have at most ${dataLimitBytes} bytes`,
    "send references instead of content",
  );
