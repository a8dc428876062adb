import { describe, expect, it } from "vitest";
import type { Delivery } from "./cloudevent.ts";
import { dataLimitBytes, decodeCloudEvent } from "./cloudevent.ts";

const attributes = {
  specversion: "1.0",
  id: "evt-1",
  source: "urn:team",
  type: "asked",
  tenantid: "acme",
  orgid: "retail",
};

const delivered = (headers: Record<string, string>, value: string | Uint8Array | null): Delivery => ({
  position: "kafka:eu/asks@one/0/1",
  cluster: "eu",
  topic: "asks",
  key: "",
  headers,
  value: typeof value === "string" ? Buffer.from(value) : value,
});

const binary = (over: Record<string, string> = {}, value: string | Uint8Array | null = "{}") => {
  const named = Object.entries({ ...attributes, ...over }).map(([name, text]) => [`ce_${name}`, text]);
  return delivered({ "content-type": "application/json", ...Object.fromEntries(named) }, value);
};

const structured = (over: Record<string, unknown> = {}) =>
  delivered(
    { "content-type": "application/cloudevents+json" },
    JSON.stringify({ ...attributes, data: { a: 1 }, ...over }),
  );

describe("a CloudEvent", () => {
  it("is the same in binary and in structured mode, and what it carries is kept", () => {
    const carried = {
      correlationid: "c-1",
      causationid: "c-0",
      subject: "PBI-1",
      time: "2026-01-02T03:04:05.6+01:00",
      dataschema: "urn:schema",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      tracestate: "a=b",
    };
    const one = decodeCloudEvent(binary(carried, '{"a":1}'));
    expect(one).toEqual(decodeCloudEvent(structured(carried)));
    expect(one).toMatchObject({
      event: { tenant: "acme", org: "retail", correlationId: "c-1", causationId: "c-0", dataSchema: "urn:schema" },
    });
  });

  it("names every attribute that is missing, all at once", () => {
    const decoded = decodeCloudEvent(delivered({ "content-type": "application/json" }, "{}"));
    expect("reasons" in decoded && decoded.reasons.map(({ field }) => field)).toEqual(Object.keys(attributes));
  });

  it.each([
    ["specversion", "0.3"],
    ["id", "x".repeat(201)],
    ["source", "x".repeat(501)],
    ["tenantid", "Acme"],
    ["tenantid", "-acme"],
    ["orgid", "a".repeat(64)],
    ["time", "yesterday"],
    ["traceparent", "00-1-2-3"],
    ["id", "a\0b"],
    ["subject", "\ud800"],
  ])("with a bad %s says which rule it breaks", (name, value) => {
    expect(decodeCloudEvent(binary({ [name]: value }))).toMatchObject({
      cause: "invalid_attribute",
      reasons: [{ field: name, rule: expect.stringMatching(/^must/), remedy: expect.stringMatching(/./) }],
    });
  });

  it.each([
    ["empty", binary({}, "")],
    ["empty", binary({}, null)],
    ["not_json", binary({}, "{")],
    ["not_json", binary({}, Uint8Array.of(0x22, 0xff, 0x22))],
    ["too_large", binary({}, JSON.stringify("x".repeat(dataLimitBytes)))],
    ["invalid_data", binary({}, `${"[".repeat(40)}${"]".repeat(40)}`)],
    ["invalid_data", binary({}, '{"a\\u0000":1}')],
    ["unsupported_content_type", { ...binary(), headers: { ...binary().headers, "content-type": "text/plain" } }],
    ["not_an_event", delivered({ "content-type": "application/cloudevents+json" }, "[]")],
    ["invalid_attribute", structured({ id: 7 })],
    ["empty", structured({ data: undefined, data_base64: "e30=" })],
    ["unsupported_content_type", structured({ datacontenttype: "text/xml" })],
  ])("that can't be read is %s", (cause, delivery) => {
    expect(decodeCloudEvent(delivery)).toMatchObject({ cause });
  });

  it("never throws, whatever bytes and headers come", () => {
    let seed = 7;
    const next = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed % below;
    };
    const parts = ['{"', '":', "[", "]", "}", "\\u0000", "1e999", "null", '"', "é", "\ud83d", ","];
    for (let n = 0; n < 2_000; n += 1) {
      const text = Array.from({ length: next(12) }, () => parts[next(parts.length)]).join("");
      const delivery = next(2) === 0 ? binary({ id: text }, text) : { ...structured(), value: Buffer.from(text) };
      const decoded = decodeCloudEvent(delivery);
      expect("event" in decoded || decoded.reasons.length > 0).toBe(true);
    }
  });
});
