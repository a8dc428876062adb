import type { Reason } from "../definitions/reason.ts";
import { reason } from "../definitions/reason.ts";

/** A delivery as the bus gives it. Header names are lower-case. */
export interface Delivery {
  /** `kafka:<cluster>/<topic>@<topic id>/<partition>/<offset>`: a topic that is made again has another id. */
  readonly position: string;
  readonly cluster: string;
  readonly topic: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: Uint8Array | null;
}

/** CloudEvents 1.0 context attributes that are understood or carried on, and the data. */
export interface CloudEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly tenant: string;
  readonly org: string;
  readonly data: unknown;
  readonly subject?: string;
  readonly time?: string;
  readonly dataSchema?: string;
  readonly correlationId?: string;
  readonly causationId?: string;
  readonly traceparent?: string;
  readonly tracestate?: string;
}

export type Decoded = { readonly event: CloudEvent } | { readonly cause: string; readonly reasons: Reason[] };

/** Largest event data, bytes. */
export const dataLimitBytes = 256 * 1024;
const depthLimit = 32;
const structuredType = "application/cloudevents+json";
const scopeName = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** Attributes, in CloudEvents spelling, with their rule. Extension names are lower-case without separators (CloudEvents 1.0, §3.1). */
const attributes: readonly { name: string; required: boolean; rule: string; test: (value: string) => boolean }[] = [
  { name: "specversion", required: true, rule: 'must be "1.0"', test: (value) => value === "1.0" },
  { name: "id", required: true, rule: "must have 1 to 200 characters", test: (value) => value.length <= 200 },
  { name: "source", required: true, rule: "must have 1 to 500 characters", test: (value) => value.length <= 500 },
  { name: "type", required: true, rule: "must have 1 to 200 characters", test: (value) => value.length <= 200 },
  { name: "tenantid", required: true, rule: `must match ${scopeName.source}`, test: (value) => scopeName.test(value) },
  { name: "orgid", required: true, rule: `must match ${scopeName.source}`, test: (value) => scopeName.test(value) },
  { name: "time", required: false, rule: "must be an RFC 3339 timestamp", test: isTimestamp },
  { name: "subject", required: false, rule: "must have at most 500 characters", test: (value) => value.length <= 500 },
  {
    name: "dataschema",
    required: false,
    rule: "must have at most 500 characters",
    test: (value) => value.length <= 500,
  },
  {
    name: "correlationid",
    required: false,
    rule: "must have at most 200 characters",
    test: (value) => value.length <= 200,
  },
  {
    name: "causationid",
    required: false,
    rule: "must have at most 200 characters",
    test: (value) => value.length <= 200,
  },
  {
    name: "traceparent",
    required: false,
    rule: "must be a W3C traceparent",
    test: isTraceparent,
  },
  {
    name: "tracestate",
    required: false,
    rule: "must have at most 512 characters",
    test: (value) => value.length <= 512,
  },
];

/**
 * Reads a CloudEvent in binary mode (`ce_` headers) or structured JSON mode (Kafka protocol binding 1.0).
 * Never throws: what can't be read comes back with its cause and every reason.
 */
export function decodeCloudEvent({ headers, value }: Delivery): Decoded {
  const contentType = headers["content-type"] ?? "";
  if (value === null || value.length === 0)
    return undecodable("empty", [
      reason("empty", "value", "", "the record must have a value", "send the event's data as JSON"),
    ]);
  if (value.length > dataLimitBytes + (isStructured(contentType) ? 16 * 1024 : 0)) return tooLarge(value.length);
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(value));
  } catch (error) {
    const rule = `must be UTF-8 JSON: ${error instanceof Error ? error.message : String(error)}`;
    return undecodable("not_json", [
      reason("not_json", "data", preview(value), rule, "send the data as application/json"),
    ]);
  }
  if (isStructured(contentType)) return decodeStructured(body);
  const raw = (name: string) => headers[`ce_${name}`];
  if (contentType !== "" && !isJson(contentType))
    return undecodable("unsupported_content_type", [
      reason(
        "unsupported_content_type",
        "content-type",
        contentType,
        "must be JSON",
        `use application/json or ${structuredType}`,
      ),
    ]);
  return assemble(raw, body);
}

function decodeStructured(body: unknown): Decoded {
  if (typeof body !== "object" || body === null || Array.isArray(body))
    return undecodable("not_an_event", [
      reason(
        "not_an_event",
        "value",
        body,
        "a structured event is a JSON object",
        "send a CloudEvents 1.0 JSON object",
      ),
    ]);
  const fields = body as Record<string, unknown>;
  const odd = attributes.filter(
    ({ name }) => name in fields && fields[name] !== null && typeof fields[name] !== "string",
  );
  if (odd.length > 0)
    return undecodable(
      "invalid_attribute",
      odd.map(({ name }) =>
        reason("invalid_attribute", name, fields[name], "must be a string", "send it as a JSON string"),
      ),
    );
  const dataType = fields.datacontenttype;
  if (dataType !== undefined && !(typeof dataType === "string" && isJson(dataType)))
    return undecodable("unsupported_content_type", [
      reason("unsupported_content_type", "datacontenttype", dataType, "must be JSON", "use application/json"),
    ]);
  return assemble((name) => (typeof fields[name] === "string" ? fields[name] : undefined), fields.data);
}

function assemble(attribute: (name: string) => string | undefined, data: unknown): Decoded {
  const reasons = attributes.flatMap(({ name, required, rule, test }) => {
    const value = attribute(name);
    if (value === undefined || value === "")
      return required
        ? [reason("missing_attribute", name, "", "is required", `set the CloudEvents attribute ${name}`)]
        : [];
    return !isStorable(value)
      ? [reason("invalid_attribute", name, value, "must have no NUL and no lone surrogate", "send plain Unicode text")]
      : test(value)
        ? []
        : [reason("invalid_attribute", name, value, rule, `correct the CloudEvents attribute ${name}`)];
  });
  if (reasons.length > 0) return undecodable("invalid_attribute", reasons);
  if (data === undefined)
    return undecodable("empty", [
      reason("empty", "data", "", "is required", "send the request as data; data_base64 is not read"),
    ]);
  const fault = faultOf(data);
  if (fault !== undefined)
    return undecodable("invalid_data", [reason("invalid_data", "data", "", fault, "send plain, shallower JSON")]);
  const text = (name: string) => attribute(name) ?? "";
  const carried = (name: string) => attribute(name) || undefined;
  return {
    event: {
      id: text("id"),
      source: text("source"),
      type: text("type"),
      tenant: text("tenantid"),
      org: text("orgid"),
      data,
      subject: carried("subject"),
      time: carried("time"),
      dataSchema: carried("dataschema"),
      correlationId: carried("correlationid"),
      causationId: carried("causationid"),
      traceparent: carried("traceparent"),
      tracestate: carried("tracestate"),
    },
  };
}

/** What Postgres can't keep, RFC 8785 can't name or nobody should have to read: undefined when the data is fine. */
function faultOf(data: unknown, depth = 0): string | undefined {
  if (depth > depthLimit) return `must be at most ${depthLimit} levels deep`;
  if (typeof data === "string") return isStorable(data) ? undefined : "must have no NUL and no lone surrogate";
  if (typeof data === "number") return Number.isFinite(data) ? undefined : "must have numbers that fit a double";
  if (typeof data !== "object" || data === null) return undefined;
  for (const [key, value] of Object.entries(data)) {
    const fault = (isStorable(key) ? undefined : "must have no NUL and no lone surrogate") ?? faultOf(value, depth + 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

const isStorable = (text: string): boolean => !text.includes("\0") && text.isWellFormed();
const isStructured = (contentType: string): boolean => contentType.toLowerCase().startsWith(structuredType);
const isJson = (contentType: string): boolean => /^application\/([\w.-]+\+)?json\s*(;|$)/i.test(contentType);
const undecodable = (cause: string, reasons: Reason[]): Decoded => ({ cause, reasons });
const preview = (value: Uint8Array): string => new TextDecoder().decode(value.subarray(0, 80));

function isTimestamp(value: string): boolean {
  return (
    /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/.test(value) &&
    !Number.isNaN(Date.parse(value))
  );
}

function tooLarge(sizeBytes: number): Decoded {
  return undecodable("too_large", [
    reason(
      "too_large",
      "data",
      `${sizeBytes} bytes`,
      `must have at most ${dataLimitBytes} bytes`,
      "send references instead of content",
    ),
  ]);
}

/** @returns whether it is a W3C Trace Context `traceparent` */
export function isTraceparent(value = ""): boolean {
  return /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(value);
}
