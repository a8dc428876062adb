import { MIMEType } from "node:util";
import type { Reason } from "../definitions/rejection-reason.ts";
import { reason } from "../definitions/rejection-reason.ts";
import { RunRequestedSchema } from "../gen/automation/v1/run_requested_pb.ts";

/** How the value of a record carries its event, or several, when it is not binary mode: by content type. */
const formats = {
  "application/cloudevents+json": "structured",
  "application/cloudevents-batch+json": "batch",
  "application/cloudevents+protobuf": "protobuf",
  "application/cloudevents-batch+protobuf": "protobuf batch",
} as const;
type Format = (typeof formats)[keyof typeof formats];

/** Content type of each event of a batch. */
export const typeOfElement = {
  batch: "application/cloudevents+json",
  "protobuf batch": "application/cloudevents+protobuf",
} as const;

/**
 * The mode in which a record carries its event (Kafka protocol binding 1.0, section 3): structured when the header `content-type` says so, else binary.
 * Batches (JSON format 1.0, section 4; protobuf format 1.0, section 5) are read as well, although that binding has none: producers that bridge from HTTP pass them on.
 * @returns the mode, or why it is not supported
 */
export function contentModeOf(contentType: string): "binary" | Format | Reason {
  if (!/^\s*application\/cloudevents/i.test(contentType)) return "binary";
  const type = mediaType(contentType);
  const format = Object.entries(formats).find(([essence]) => essence === type?.essence)?.[1];
  if (format !== undefined && type !== undefined) return charsetFault("content-type", contentType, type) ?? format;
  return unsupported(
    "content-type",
    contentType,
    "is an event format that is not supported",
    `use ${Object.keys(formats).join(", ")}, or binary mode with data as application/json`,
  );
}

/**
 * JSON data is `<type>/json` or `<type>/<subtype>+json` (CloudEvents JSON format 1.0, section 3.1.1), in UTF-8.
 * Protobuf data is `application/protobuf`; a parameter that names a message names `automation.v1.RunRequested`.
 * @param field - that holds the type
 * @param type - empty means JSON
 * @returns the format, or why the data can't be read
 */
export function dataFormatOf(field: string, type: string): "json" | "protobuf" | Reason {
  if (type.trim() === "") return "json";
  const read = mediaType(type);
  if (read !== undefined && protobufTypes.includes(read.essence)) return messageFault(field, type, read) ?? "protobuf";
  if (read === undefined || !/(^|\+)json$/.test(read.subtype))
    return unsupported(
      field,
      type,
      "must be a media type of JSON, or application/protobuf",
      `use application/json, or application/cloudevents+json when the value is a whole event`,
    );
  return charsetFault(field, type, read) ?? "json";
}

/** The second is the older name of the same. */
const protobufTypes: readonly string[] = ["application/protobuf", "application/x-protobuf"];

function messageFault(field: string, value: string, { params }: MIMEType): Reason | undefined {
  const named = ["proto", "messagetype"].flatMap((name) => params.get(name) ?? []);
  if (named.every((name) => name === RunRequestedSchema.typeName)) return undefined;
  const rule = `must name the message ${RunRequestedSchema.typeName}, or none`;
  return unsupported(field, value, rule, "send that message as application/protobuf");
}

function charsetFault(field: string, value: string, type: MIMEType): Reason | undefined {
  const charset = type.params.get("charset");
  if (charset === null || /^utf-?8$/i.test(charset)) return undefined;
  return unsupported(
    field,
    value,
    "must have charset UTF-8, the only one of JSON (RFC 8259)",
    "send UTF-8, with charset=utf-8 or without a charset",
  );
}

function mediaType(text: string): MIMEType | undefined {
  try {
    return new MIMEType(text.trim());
  } catch {
    return undefined;
  }
}

const unsupported = (field: string, value: string, rule: string, remedy: string): Reason =>
  reason("unsupported_content_type", field, value, rule, remedy);
