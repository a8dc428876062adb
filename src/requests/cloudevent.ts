import type { Reason } from "../definitions/rejection-reason.ts";
import { reason } from "../definitions/rejection-reason.ts";
import { utcOf } from "../text/rfc3339.ts";
import type { Attributes, HeaderTexts } from "./cloudevent-attributes.ts";
import {
  attributeFaults,
  attributesOfFields,
  attributesOfHeaders,
  headerFaults,
  readHeaders,
  textOf,
  traceAttributes,
} from "./cloudevent-attributes.ts";
import type { Data } from "./cloudevent-data.ts";
import { dataLimitBytes, depthLimit, readBase64, readData, readJson, tooLarge } from "./cloudevent-data.ts";
import { contentModeOf, dataFormatOf } from "./content-type.ts";
import type { Delivery } from "./delivery.ts";
import { splitBatch } from "./event-batch.ts";
import type { ProtobufEvent } from "./protobuf-event.ts";
import { readProtobufEvent } from "./protobuf-event.ts";
import type { TraceContext } from "./trace-context.ts";
import { traceContextOf } from "./trace-context.ts";

/** What a delivery says of itself, as far as that can be read; nothing of it is proven. */
export interface Claims {
  readonly id?: string;
  readonly source?: string;
  readonly type?: string;
  readonly tenant?: string;
  readonly org?: string;
}

/** What other events take over from an event. */
export interface Carried extends TraceContext {
  readonly correlationId?: string;
}

/** CloudEvents 1.0 context attributes that are understood or carried on, and the data. */
export interface CloudEvent extends Required<Claims>, Carried {
  readonly data: unknown;
  readonly subject?: string;
  /** In UTC. */
  readonly time?: string;
  readonly dataSchema?: string;
  readonly causationId?: string;
}

/** A delivery that is no event that can be read here; it is quarantined with this cause. */
export interface Undecodable {
  readonly cause: string;
  readonly reasons: readonly Reason[];
  readonly claims: Claims & Carried;
}

export type Decoded = { readonly event: CloudEvent } | Undecodable;

/** Room for the attributes of a structured event, bytes. */
const envelopeBytes = 16 * 1024;
/** With the data in base64. */
const structuredLimitBytes = Math.ceil((dataLimitBytes * 4) / 3) + envelopeBytes;
const toldReasons = 20;
const noAttributes: Attributes = new Map();

/**
 * Reads a CloudEvent in binary mode (`ce_` headers) or structured mode (Kafka protocol binding 1.0, JSON and protobuf event formats 1.0). A batch goes through `eventsOf` before.
 * Never throws: what can't be read comes back with its cause, at most 20 reasons, and what it claims to be.
 */
export function decodeCloudEvent({
  headers,
  body,
  unreadable,
}: Pick<Delivery, "headers" | "body" | "unreadable">): Decoded {
  if (unreadable !== undefined)
    return undecodable(noAttributes, "unreadable", [
      reason(
        "unreadable",
        "batch",
        "",
        unreadable,
        "send the records again, in smaller batches or without compression",
      ),
    ]);
  const read = readHeaders(headers);
  const fromHeaders = attributesOfHeaders(read);
  const twoTypes = headerFaults(read, (name) => name === "content-type");
  if (twoTypes.length > 0) return undecodable(fromHeaders, "unsupported_content_type", twoTypes);
  const mode = contentModeOf(read.texts.get("content-type") ?? "");
  if (typeof mode !== "string") return undecodable(likelyAttributes(body, fromHeaders), mode.code, [mode]);
  if (mode === "binary") return decodeBinary(read, body, fromHeaders);
  if (mode === "structured") return decodeStructured(body);
  return mode === "protobuf" ? decodeProtobuf(body) : refuseBatch(body, mode);
}

/** Batches are taken apart before, unless that can't be done. */
function refuseBatch(body: Uint8Array | null, format: Parameters<typeof splitBatch>[1]): Undecodable {
  const batch = splitBatch(body, format);
  const told =
    "cause" in batch
      ? batch
      : { cause: "not_an_event", reasons: [reason("not_an_event", "value", "", "is several events", "send one")] };
  return undecodable(likelyAttributes(body, noAttributes), told.cause, told.reasons);
}

function decodeBinary(headers: HeaderTexts, body: Uint8Array | null, attributes: Attributes): Decoded {
  if (body === null || body.length === 0)
    return undecodable(attributes, "empty", [empty("send the event's data as JSON")]);
  if (body.length > dataLimitBytes) return undecodable(attributes, "too_large", [tooLarge(body.length)]);
  const contentType = headers.texts.get("content-type") ?? "";
  const typeField = contentType === "" ? "datacontenttype" : "content-type";
  const format = dataFormatOf(typeField, contentType || textOf(attributes, "datacontenttype"));
  if (typeof format !== "string") return undecodable(attributes, format.code, [format]);
  const reasons = [
    ...(attributes.size === 0 ? [notBinary(contentType)] : []),
    ...headerFaults(headers, (name) => name.startsWith("ce_")),
    ...attributeFaults(attributes),
  ];
  if (reasons.length > 0) return undecodable(likelyAttributes(body, attributes), "invalid_attribute", reasons);
  return assemble(attributes, readData(body, format));
}

function decodeStructured(body: Uint8Array | null): Decoded {
  const remedy = "send a CloudEvents 1.0 JSON object";
  if (body === null || body.length === 0) return undecodable(noAttributes, "empty", [empty(remedy)]);
  if (body.length > structuredLimitBytes) return undecodable(noAttributes, "too_large", [tooLarge(body.length)]);
  const read = readJson(body, "", depthLimit + 1);
  if ("cause" in read) return undecodable(noAttributes, read.cause, read.reasons);
  if (typeof read.value !== "object" || read.value === null || Array.isArray(read.value)) {
    const fault = reason("not_an_event", "value", read.value, "a structured event is a JSON object", remedy);
    return undecodable(likelyAttributes(body, noAttributes), "not_an_event", [fault]);
  }
  const { data, data_base64: base64 = null, ...fields } = read.value as Record<string, unknown>;
  const attributes = attributesOfFields(fields);
  const faults = read.faults.filter(({ field }) => !traceAttributes.includes(field));
  if (faults.length > 0) return undecodable(attributes, "invalid_data", faults);
  const reasons = attributeFaults(attributes);
  if (reasons.length > 0) return undecodable(attributes, "invalid_attribute", reasons);
  const format = dataFormatOf("datacontenttype", textOf(attributes, "datacontenttype"));
  if (typeof format !== "string") return undecodable(attributes, format.code, [format]);
  if (data !== undefined && base64 !== null) {
    const rule = "must not stand beside data";
    const fault = reason("invalid_data", "data_base64", base64, rule, "send the data once, in one of the two");
    return undecodable(attributes, "invalid_data", [fault]);
  }
  if (base64 !== null) return assemble(attributes, readBase64(base64, format));
  if (body.length > dataLimitBytes + envelopeBytes)
    return undecodable(attributes, "too_large", [tooLarge(body.length)]);
  if (data === undefined)
    return undecodable(attributes, "empty", [reason("empty", "data", "", "is required", "send the request as data")]);
  if (format === "protobuf") {
    const rule = "can't hold protobuf, which is binary";
    const fault = reason("invalid_data", "data", data, rule, "send the message as data_base64");
    return undecodable(attributes, "invalid_data", [fault]);
  }
  return assemble(attributes, { value: data });
}

function decodeProtobuf(body: Uint8Array | null): Decoded {
  const remedy = "send a CloudEvent in its protobuf format 1.0";
  if (body === null || body.length === 0) return undecodable(noAttributes, "empty", [empty(remedy)]);
  if (body.length > dataLimitBytes + envelopeBytes)
    return undecodable(noAttributes, "too_large", [tooLarge(body.length)]);
  let event: ProtobufEvent;
  try {
    event = readProtobufEvent(body);
  } catch (error) {
    const rule = `must be a protobuf CloudEvent: ${error instanceof Error ? error.message : String(error)}`;
    const shown = Buffer.from(body.subarray(0, 60)).toString("base64");
    return undecodable(noAttributes, "not_protobuf", [reason("not_protobuf", "value", shown, rule, remedy)]);
  }
  const { attributes, data } = event;
  const reasons = [...event.faults, ...attributeFaults(attributes)];
  if (reasons.length > 0) return undecodable(attributes, "invalid_attribute", reasons);
  const type = textOf(attributes, "datacontenttype");
  const format = data?.kind === "proto_data" && type === "" ? "protobuf" : dataFormatOf("datacontenttype", type);
  if (typeof format !== "string") return undecodable(attributes, format.code, [format]);
  if (data === undefined)
    return undecodable(attributes, "empty", [reason("empty", "data", "", "is required", "send the request as data")]);
  if (format === (data.kind === "proto_data" ? "json" : data.kind === "text_data" ? "protobuf" : "")) {
    const rule = `can't hold what datacontenttype says, which is ${type}`;
    const fault = reason("invalid_data", data.kind, type, rule, "send JSON as text_data, and a message as proto_data");
    return undecodable(attributes, "invalid_data", [fault]);
  }
  return data.bytes.length > dataLimitBytes
    ? undecodable(attributes, "too_large", [tooLarge(data.bytes.length)])
    : assemble(attributes, readData(data.bytes, format));
}

function assemble(attributes: Attributes, data: Data): Decoded {
  if ("cause" in data) return undecodable(attributes, data.cause, data.reasons);
  const carried = (name: string): string | undefined => textOf(attributes, name) || undefined;
  return {
    event: {
      id: textOf(attributes, "id"),
      source: textOf(attributes, "source"),
      type: textOf(attributes, "type"),
      tenant: textOf(attributes, "tenantid"),
      org: textOf(attributes, "orgid"),
      data: data.value,
      subject: carried("subject"),
      time: utcOf(textOf(attributes, "time")),
      dataSchema: carried("dataschema"),
      correlationId: carried("correlationid"),
      causationId: carried("causationid"),
      ...traceContextOf(attributes.get("traceparent"), attributes.get("tracestate")),
    },
  };
}

/** Those of the headers; without any, those of a structured event, or of the first of a batch, that was sent with the wrong `content-type`. */
function likelyAttributes(body: Uint8Array | null, fromHeaders: Attributes): Attributes {
  if (fromHeaders.size > 0 || body === null || body.length > structuredLimitBytes) return fromHeaders;
  try {
    const json: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    const event: unknown = Array.isArray(json) ? json[0] : json;
    return typeof event === "object" && event !== null ? attributesOfFields(event) : fromHeaders;
  } catch {
    return fromHeaders;
  }
}

function undecodable(attributes: Attributes, cause: string, reasons: readonly Reason[]): Undecodable {
  const claimed = (name: string): string | undefined => textOf(attributes, name) || undefined;
  const claims = {
    id: claimed("id"),
    source: claimed("source"),
    type: claimed("type"),
    tenant: claimed("tenantid"),
    org: claimed("orgid"),
    correlationId: claimed("correlationid"),
    ...traceContextOf(attributes.get("traceparent"), attributes.get("tracestate")),
  };
  return { cause, reasons: reasons.slice(0, toldReasons), claims };
}

const empty = (remedy: string): Reason => reason("empty", "value", "", "the record must have a value", remedy);

const notBinary = (contentType: string): Reason =>
  reason(
    "not_an_event",
    "content-type",
    contentType,
    "means binary mode, in which the attributes are headers that begin with ce_ on Kafka and ce- elsewhere, and there is none",
    "send these headers, or for structured mode the header content-type with application/cloudevents+json",
  );
