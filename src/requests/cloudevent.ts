import type { Reason } from "../definitions/reason.ts";
import { reason } from "../definitions/reason.ts";
import { isScopeName, namePattern } from "../tenancy/bind-scope.ts";
import { readExactJson } from "../text/exact-json.ts";
import { utcOf } from "../text/rfc3339.ts";
import { contentModeOf, dataTypeFault } from "./content-type.ts";
import type { TraceContext } from "./trace-context.ts";
import { traceContextOf } from "./trace-context.ts";

/** A delivery as the bus gives it. Header names are lower-case. */
export interface Delivery {
  /** `kafka:<cluster>/<topic>@<topic id>/<partition>/<offset>`: a topic that is made again has another id. */
  readonly position: string;
  readonly cluster: string;
  readonly topic: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Headers that `headers` does not tell as they came. */
  readonly headerFaults?: readonly HeaderFault[];
  readonly value: Uint8Array | null;
}

/** A header that says two things, or none that can be read. */
export interface HeaderFault {
  readonly name: string;
  readonly rule: string;
}

/** What a delivery says of itself, as far as that can be read; nothing of it is proven. */
export interface Claims {
  readonly id?: string;
  readonly source?: string;
  readonly type?: string;
  readonly tenant?: string;
  readonly org?: string;
}

/** CloudEvents 1.0 context attributes that are understood or carried on, and the data. */
export interface CloudEvent extends Required<Claims>, TraceContext {
  readonly data: unknown;
  readonly subject?: string;
  /** In UTC. */
  readonly time?: string;
  readonly dataSchema?: string;
  readonly correlationId?: string;
  readonly causationId?: string;
}

export interface Undecodable {
  readonly cause: string;
  readonly reasons: readonly Reason[];
  readonly claims: Claims;
}

export type Decoded = { readonly event: CloudEvent } | Undecodable;

/** Largest event data, bytes. */
export const dataLimitBytes = 256 * 1024;
/** Room for the attributes of a structured event, bytes. */
const envelopeBytes = 16 * 1024;
/** With the data in base64. */
const structuredLimitBytes = Math.ceil((dataLimitBytes * 4) / 3) + envelopeBytes;
const depthLimit = 32;
const toldReasons = 20;

const atMost = (limit: number) => ({
  required: false,
  rule: `must have at most ${limit} characters`,
  test: (value: string) => value.length <= limit,
});
const oneTo = (limit: number) => ({ ...atMost(limit), required: true, rule: `must have 1 to ${limit} characters` });
const named = {
  required: true,
  rule: `must match ${namePattern.source}`,
  test: isScopeName,
};

/** Attributes that are read, in CloudEvents spelling. Those of the trace are no reason to refuse: `traceContextOf` reads them. */
const attributeRules: Readonly<
  Record<string, { readonly required: boolean; readonly rule: string; readonly test: (value: string) => boolean }>
> = {
  specversion: { required: true, rule: 'must be "1.0"', test: (value) => value === "1.0" },
  id: oneTo(200),
  source: oneTo(500),
  type: oneTo(200),
  tenantid: named,
  orgid: named,
  time: {
    required: false,
    rule: "must be an RFC 3339 timestamp of the years 0001 to 9999",
    test: (value) => utcOf(value) !== undefined,
  },
  subject: atMost(500),
  dataschema: atMost(500),
  datacontenttype: atMost(500),
  correlationid: atMost(200),
  causationid: atMost(200),
};
const traceAttributes: readonly string[] = ["traceparent", "tracestate"];

/** By name; unset ones are left out. */
type Attributes = ReadonlyMap<string, unknown>;
type Data = { readonly value: unknown } | { readonly cause: string; readonly reasons: readonly Reason[] };

/**
 * Reads a CloudEvent in binary mode (`ce_` headers) or structured JSON mode (Kafka protocol binding 1.0, JSON event format 1.0).
 * Never throws: what can't be read comes back with its cause, at most 20 reasons, and what it claims to be.
 */
export function decodeCloudEvent(delivery: Delivery): Decoded {
  const fromHeaders = headerAttributes(delivery.headers);
  const twoTypes = headerFaultsOf(delivery, (name) => name === "content-type");
  if (twoTypes.length > 0) return undecodable(fromHeaders, "unsupported_content_type", twoTypes);
  const mode = contentModeOf(delivery.headers["content-type"] ?? "");
  if (typeof mode !== "string") return undecodable(likelyAttributes(delivery, fromHeaders), mode.code, [mode]);
  return mode === "binary" ? decodeBinary(delivery, fromHeaders) : decodeStructured(delivery);
}

function decodeBinary(delivery: Delivery, attributes: Attributes): Decoded {
  const { headers, value } = delivery;
  if (value === null || value.length === 0)
    return undecodable(attributes, "empty", [
      reason("empty", "value", "", "the record must have a value", "send the event's data as JSON"),
    ]);
  if (value.length > dataLimitBytes) return undecodable(attributes, "too_large", [tooLarge(value.length)]);
  const contentType = headers["content-type"] ?? "";
  const typeField = contentType === "" ? "datacontenttype" : "content-type";
  const typeFault = dataTypeFault(typeField, contentType || textOf(attributes, "datacontenttype"));
  if (typeFault !== undefined) return undecodable(attributes, typeFault.code, [typeFault]);
  const reasons = [
    ...(attributes.size === 0 ? [noAttributes(contentType)] : []),
    ...headerFaultsOf(delivery, (name) => name.startsWith("ce_")),
    ...attributeFaults(attributes),
  ];
  if (reasons.length > 0) return undecodable(likelyAttributes(delivery, attributes), "invalid_attribute", reasons);
  return assemble(attributes, readData(value));
}

function decodeStructured(delivery: Delivery): Decoded {
  const { value } = delivery;
  const nothing: Attributes = new Map();
  if (value === null || value.length === 0)
    return undecodable(nothing, "empty", [
      reason("empty", "value", "", "the record must have a value", "send a CloudEvents 1.0 JSON object"),
    ]);
  if (value.length > structuredLimitBytes) return undecodable(nothing, "too_large", [tooLarge(value.length)]);
  const body = readJson(value, "", depthLimit + 1);
  if ("cause" in body) return undecodable(nothing, body.cause, body.reasons);
  if (typeof body.value !== "object" || body.value === null || Array.isArray(body.value))
    return undecodable(likelyAttributes(delivery, nothing), "not_an_event", [
      reason(
        "not_an_event",
        "value",
        body.value,
        "a structured event is a JSON object",
        "send a CloudEvents 1.0 JSON object",
      ),
    ]);
  const { data, data_base64: base64 = null, ...fields } = body.value as Record<string, unknown>;
  const attributes = fieldAttributes(fields);
  const faults = body.faults.filter(({ field }) => !traceAttributes.includes(field));
  if (faults.length > 0) return undecodable(attributes, "invalid_data", faults);
  const reasons = attributeFaults(attributes);
  if (reasons.length > 0) return undecodable(attributes, "invalid_attribute", reasons);
  const typeFault = dataTypeFault("datacontenttype", textOf(attributes, "datacontenttype"));
  if (typeFault !== undefined) return undecodable(attributes, typeFault.code, [typeFault]);
  if (data !== undefined && base64 !== null)
    return undecodable(attributes, "invalid_data", [
      reason(
        "invalid_data",
        "data_base64",
        base64,
        "must not stand beside data",
        "send the data once, in one of the two",
      ),
    ]);
  if (base64 !== null) return assemble(attributes, readBase64(base64));
  if (value.length > dataLimitBytes + envelopeBytes)
    return undecodable(attributes, "too_large", [tooLarge(value.length)]);
  return assemble(
    attributes,
    data === undefined
      ? { cause: "empty", reasons: [reason("empty", "data", "", "is required", "send the request as data")] }
      : { value: data },
  );
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

function headerAttributes(headers: Delivery["headers"]): Attributes {
  return new Map(
    Object.entries(headers)
      .filter(([name, text]) => name.startsWith("ce_") && text !== "")
      .map(([name, text]) => [name.slice("ce_".length), text]),
  );
}

const headerFaultsOf = ({ headers, headerFaults = [] }: Delivery, isMeant: (name: string) => boolean): Reason[] =>
  headerFaults
    .filter(({ name }) => isMeant(name))
    .map(({ name, rule }) => reason("invalid_attribute", name, headers[name], rule, "send it once, as UTF-8 text"));

function fieldAttributes(fields: object): Attributes {
  return new Map(Object.entries(fields).filter(([, field]) => field !== null && field !== ""));
}

/** The attributes of a structured event, or the first of a batch, whose `content-type` does not make it one that is read; else those of the headers. */
function likelyAttributes({ value }: Delivery, fromHeaders: Attributes): Attributes {
  if (fromHeaders.size > 0 || value === null || value.length > structuredLimitBytes) return fromHeaders;
  try {
    const body: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(value));
    const event: unknown = Array.isArray(body) ? body[0] : body;
    return typeof event === "object" && event !== null ? fieldAttributes(event) : fromHeaders;
  } catch {
    return fromHeaders;
  }
}

/** @returns why the attributes are not those of an event that is read here, all at once */
function attributeFaults(attributes: Attributes): Reason[] {
  const missing = Object.keys(attributeRules)
    .filter((name) => attributeRules[name]?.required && !attributes.has(name))
    .map((name) => reason("missing_attribute", name, "", "is required", `set the CloudEvents attribute ${name}`));
  const wrong = [...attributes].flatMap(([name, value]) => {
    const [rule, remedy] = faultOf(name, value) ?? [];
    return rule === undefined || remedy === undefined ? [] : [reason("invalid_attribute", name, value, rule, remedy)];
  });
  return [...missing, ...wrong];
}

/** Control characters, noncharacters and halves of surrogate pairs, which no String of CloudEvents has. */
const unfit = /[\p{Cc}\p{Noncharacter_Code_Point}\p{Cs}]/u;

/** @returns rule and remedy */
function faultOf(name: string, value: unknown): readonly [string, string] | undefined {
  const known = Object.hasOwn(attributeRules, name) ? attributeRules[name] : undefined;
  if (!/^[a-z0-9]+$/.test(name))
    return ["is no name of an attribute: lower-case letters and digits", "rename it, or move it to data"];
  if (typeof value !== "string") {
    if (known !== undefined) return ["must be a string", "send it as a JSON string"];
    return typeof value === "boolean" || isInteger(value)
      ? undefined
      : ["must be a string, a boolean or an integer of 32 bits", "send it as one of these, or move it to data"];
  }
  if (traceAttributes.includes(name)) return undefined;
  if (unfit.test(value)) return ["must have no control character and no lone surrogate", "send plain Unicode text"];
  return known?.test(value) === false ? [known.rule, `correct the CloudEvents attribute ${name}`] : undefined;
}

const isInteger = (value: unknown): boolean =>
  Number.isInteger(value) && Number(value) >= -(2 ** 31) && Number(value) < 2 ** 31;

function textOf(attributes: Attributes, name: string): string {
  const value = attributes.get(name);
  return typeof value === "string" ? value : "";
}

function readBase64(text: unknown): Data {
  const bytes = typeof text === "string" ? Buffer.from(text, "base64") : undefined;
  if (bytes === undefined || bytes.toString("base64") !== text)
    return invalid([
      reason("invalid_data", "data_base64", text, "must be base64 (RFC 4648, section 4)", "encode the data anew"),
    ]);
  return bytes.length > dataLimitBytes ? { cause: "too_large", reasons: [tooLarge(bytes.length)] } : readData(bytes);
}

function readData(bytes: Uint8Array): Data {
  const read = readJson(bytes, "data", depthLimit);
  if ("cause" in read) return read;
  return read.faults.length > 0 ? invalid(read.faults) : { value: read.value };
}

const invalid = (reasons: readonly Reason[]): Data => ({ cause: "invalid_data", reasons });

/** @param field - of which the JSON is; empty: each field speaks for itself */
function readJson(
  bytes: Uint8Array,
  field: string,
  depth: number,
): { readonly value: unknown; readonly faults: readonly Reason[] } | Extract<Data, { cause: string }> {
  try {
    const { value, faults } = readExactJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes), depth);
    const reasons = faults.map((fault) =>
      reason(
        "invalid_data",
        [...(field === "" ? [] : [field]), ...fault.path].join("."),
        fault.value,
        fault.rule,
        "send plain, shallower JSON, with what a double can't hold as a string",
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

function undecodable(attributes: Attributes, cause: string, reasons: readonly Reason[]): Undecodable {
  const claimed = (name: string): string | undefined => textOf(attributes, name) || undefined;
  const claims = {
    ...{ id: claimed("id"), source: claimed("source"), type: claimed("type") },
    ...{ tenant: claimed("tenantid"), org: claimed("orgid") },
  };
  return { cause, reasons: reasons.slice(0, toldReasons), claims };
}

const noAttributes = (contentType: string): Reason =>
  reason(
    "not_an_event",
    "content-type",
    contentType,
    "means binary mode, in which the attributes are headers that begin with ce_, and there is none",
    "send ce_ headers, or for structured mode the header content-type with application/cloudevents+json",
  );

const tooLarge = (sizeBytes: number): Reason =>
  reason(
    "too_large",
    "data",
    `${sizeBytes} bytes`,
    `must have at most ${dataLimitBytes} bytes`,
    "send references instead of content",
  );
