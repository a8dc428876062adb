import type { JsonValue } from "@bufbuild/protobuf";
import { fromJson, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import type { RunRequestedJson } from "../gen/automation/v1/run_requested_pb.ts";
import { RunRequestedSchema } from "../gen/automation/v1/run_requested_pb.ts";
import type { Header } from "../runs/outbox/bus-record.ts";
import { textHeaders } from "../runs/outbox/bus-record.ts";
import { decodeCloudEvent } from "./cloudevent.ts";
import { dataLimitBytes } from "./cloudevent-data.ts";
import type { Delivery } from "./delivery.ts";

const attributes = {
  specversion: "1.0",
  id: "evt-1",
  source: "urn:team",
  type: "asked",
  tenantid: "acme",
  orgid: "retail",
};

const delivered = (headers: Record<string, string>, body: string | Uint8Array | null): Delivery => ({
  position: "kafka:eu/asks@one/0/1",
  bus: "kafka",
  cluster: "eu",
  topic: "asks",
  key: null,
  headers: textHeaders(headers),
  body: typeof body === "string" ? Buffer.from(body) : body,
});

const binary = (over: Record<string, string> = {}, value: string | Uint8Array | null = "{}") => {
  const named = Object.entries({ ...attributes, ...over }).map(([name, text]) => [`ce_${name}`, text]);
  return delivered({ "content-type": "application/json", ...Object.fromEntries(named) }, value);
};

const withType = ({ headers }: Delivery, type: string): Header[] => [
  ...headers.filter(([name]) => name !== "content-type"),
  ...textHeaders({ "content-type": type }),
];

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
    expect(one).toEqual(decodeCloudEvent(structured({ ...carried, data: undefined, data_base64: "eyJhIjoxfQ==" })));
    expect(one).toMatchObject({ event: { time: "2026-01-02T02:04:05.6Z", traceparent: carried.traceparent } });
    expect(one).toMatchObject({
      event: { tenant: "acme", org: "retail", correlationId: "c-1", causationId: "c-0", dataSchema: "urn:schema" },
    });
  });

  it("names every attribute that is missing, all at once, and the mode in which it looked for them", () => {
    for (const headers of [{}, { "content-type": "application/json" }]) {
      const decoded = decodeCloudEvent(delivered(headers as Record<string, string>, structured().body));
      const reasons = "reasons" in decoded ? decoded.reasons : [];
      expect(reasons.map(({ field }) => field)).toEqual(["content-type", ...Object.keys(attributes)]);
      expect(reasons[0]?.rule).toContain("binary mode");
    }
  });

  it("takes null and an empty text as unset, in structured mode and in headers", () => {
    const unset = [
      "datacontenttype",
      "dataschema",
      "subject",
      "time",
      "correlationid",
      "causationid",
      "traceparent",
      "tracestate",
      "extension",
      "data_base64",
      "notAName",
    ];
    const least = decodeCloudEvent(structured());
    expect(least).toHaveProperty("event");
    for (const name of unset) expect(decodeCloudEvent(structured({ [name]: null }))).toEqual(least);
    for (const name of unset.slice(0, 9)) {
      expect(decodeCloudEvent(structured({ [name]: "" }))).toEqual(least);
      expect(decodeCloudEvent(binary({ [name]: "" }, '{"a":1}'))).toEqual(least);
    }
    for (const name of Object.keys(attributes))
      expect(decodeCloudEvent(structured({ [name]: null }))).toMatchObject({
        reasons: [{ code: "missing_attribute", field: name }],
      });
  });

  it.each([
    ["a string", "x", true],
    ["an integer", -7, true],
    ["a boolean", false, true],
    ["an integer beyond 32 bits", 2 ** 31, false],
    ["a fraction", 1.5, false],
    ["an object", { a: 1 }, false],
    ["a list", [1], false],
    ["a control character", "a\u0007", false],
    ["a noncharacter", "\uffff", false],
  ])("may have an extension that is %s: %s is %s", (_, value, isLegal) => {
    const decoded = decodeCloudEvent(structured({ extension: value }));
    if (isLegal) expect(decoded).toHaveProperty("event");
    else expect(decoded).toMatchObject({ cause: "invalid_attribute", reasons: [{ field: "extension" }] });
  });

  it.each(["Extension", "an_extension", "exté", "a-b", "a b", ""])("has no attribute of name %j", (name) => {
    expect(decodeCloudEvent(structured({ [name]: "x" }))).toMatchObject({
      cause: "invalid_attribute",
      reasons: [{ field: name, rule: expect.stringContaining("lower-case letters and digits") }],
    });
  });

  it.each([
    ["application/json", "accepted"],
    ["application/json; charset=utf-8", "accepted"],
    ['Application/JSON;Charset="UTF-8"', "accepted"],
    ["text/json", "accepted"],
    ["application/vnd.x+json", "accepted"],
    ["", "accepted"],
    ["application/json; charset=iso-8859-1", "charset UTF-8"],
    ["application/jsonp", "media type of JSON"],
    ["application/x+json+xml", "media type of JSON"],
    ["json", "media type of JSON"],
    ["text/xml", "media type of JSON"],
  ])("with data of type %j is %s, in both modes", (type, fate) => {
    const given = binary({}, '{"a":1}');
    for (const delivery of [{ ...given, headers: withType(given, type) }, structured({ datacontenttype: type })]) {
      const decoded = decodeCloudEvent(delivery);
      if (fate === "accepted") expect(decoded).toHaveProperty("event");
      else
        expect(decoded).toMatchObject({
          cause: "unsupported_content_type",
          reasons: [{ value: type, rule: expect.stringContaining(fate) }],
        });
    }
  });

  it.each([
    ["Application/CloudEvents+JSON; Charset=UTF-8", undefined],
    ["application/cloudevents+json; charset=utf-16", "charset UTF-8"],
    ["application/cloudevents-batch+json; charset=utf-16", "charset UTF-8"],
    ["application/cloudevents-batch+avro", "an event format that is not supported"],
    ["application/cloudevents+avro", "an event format that is not supported"],
    ["application/cloudevents", "an event format that is not supported"],
  ])("of content type %j is told its mode", (type, rule) => {
    const decoded = decodeCloudEvent({ ...structured(), headers: textHeaders({ "content-type": type }) });
    if (rule === undefined) expect(decoded).toHaveProperty("event");
    else
      expect(decoded).toMatchObject({
        cause: "unsupported_content_type",
        reasons: [{ field: "content-type", value: type, rule: expect.stringContaining(rule) }],
      });
  });

  it("keeps header values as they are: the Kafka binding has no percent-encoding", () => {
    expect(decodeCloudEvent(binary({ subject: "100%25 %41 ü" }))).toMatchObject({ event: { subject: "100%25 %41 ü" } });
  });

  it("is refused when a header of it says two things or is not UTF-8, and not for other headers", () => {
    const beside = (name: string, value: string | Uint8Array): Delivery => {
      const header: Header = [name, Buffer.from(value)];
      return { ...binary(), headers: [...binary().headers, header] };
    };
    expect(decodeCloudEvent(beside("ce_id", "evt-1"))).toHaveProperty("event");
    const twice = "must not come twice with two values";
    expect(decodeCloudEvent(beside("CE_ID", "evt-2"))).toMatchObject({ reasons: [{ field: "ce_id", rule: twice }] });
    expect(decodeCloudEvent(beside("ce_subject", Uint8Array.of(0xff)))).toMatchObject({
      reasons: [{ field: "ce_subject", rule: "must be UTF-8" }],
    });
    expect(decodeCloudEvent(beside("content-type", "text/xml"))).toMatchObject({
      reasons: [{ field: "content-type" }],
    });
    for (const other of ["a", "b"]) expect(decodeCloudEvent(beside("b3", other))).toHaveProperty("event");
    expect(decodeCloudEvent(beside("b3", Uint8Array.of(0xff)))).toHaveProperty("event");
  });

  it("names the field of its data that would not be kept as it was written", () => {
    const cases: [string, string][] = [
      ['{"a":[{"n":1524831183200260097}]}', "data.a.0.n"],
      ['{"a":{"n":1},"a":{"n":2}}', "data.a"],
      ['{"a":"x\\ud800"}', "data.a"],
    ];
    for (const [data, field] of cases) {
      const inEvent = Buffer.from(structured().body ?? "")
        .toString()
        .replace('{"a":1}', data);
      for (const delivery of [binary({}, data), { ...structured(), body: Buffer.from(inEvent) }])
        expect(decodeCloudEvent(delivery)).toMatchObject({ cause: "invalid_data", reasons: [{ field }] });
    }
    const twice = Buffer.from(structured().body ?? "")
      .toString()
      .replace("{", '{"id":"evt-2",');
    expect(decodeCloudEvent({ ...structured(), body: Buffer.from(twice) })).toMatchObject({
      reasons: [{ field: "id" }],
    });
  });

  describe("with protobuf data", () => {
    const request: RunRequestedJson = {
      profile: { id: "team" },
      context: { scrum: { product: "shop", goals: ["G-1"] } },
      workKind: "story",
      parameters: { n: 1.5, list: [null, true, { a: "ü" }] },
      roleExpectations: [{ role: "developer", minPeople: 2 }],
      deadline: "2026-01-02T03:04:05.600Z",
    };
    const bytes = toBinary(RunRequestedSchema, fromJson(RunRequestedSchema, request as JsonValue));
    const protobuf = { "content-type": "application/protobuf" };
    const binaryOf = (body: Uint8Array, type = "application/protobuf"): Delivery => {
      const given = binary({}, body);
      return { ...given, headers: withType(given, type) };
    };
    const unknownAt = (...before: number[]) => Uint8Array.of(...before, 0x7a, 1, 0x61);

    it("is the same as with its proto JSON, in binary mode and as data_base64", () => {
      const asJson = decodeCloudEvent(binary({}, JSON.stringify(request)));
      expect(asJson).toHaveProperty("event.data", request);
      expect(decodeCloudEvent(binaryOf(bytes))).toEqual(asJson);
      expect(decodeCloudEvent(binaryOf(bytes, "Application/X-Protobuf; proto=automation.v1.RunRequested"))).toEqual(
        asJson,
      );
      const base64 = { data: undefined, data_base64: Buffer.from(bytes).toString("base64") };
      expect(decodeCloudEvent(structured({ ...base64, datacontenttype: protobuf["content-type"] }))).toEqual(asJson);
    });

    it("keeps fields that it does not know under their number, wherever they stand", () => {
      const inScrum = unknownAt(0x1a, 5, 0x0a, 3);
      const inRole = unknownAt(0x3a, 3);
      const decoded = decodeCloudEvent(binaryOf(Buffer.concat([unknownAt(), unknownAt(), inScrum, inRole])));
      expect(decoded).toMatchObject({
        event: {
          data: {
            15: ["AWE=", "AWE="],
            context: { scrum: { 15: ["AWE="] } },
            roleExpectations: [{ 15: ["AWE="] }],
          },
        },
      });
    });

    it.each<[string, string, Delivery]>([
      ["not_protobuf", "cut off", binaryOf(bytes.subarray(0, -1))],
      ["not_protobuf", "text that is not UTF-8", binaryOf(Uint8Array.of(0x2a, 1, 0xff))],
      [
        "not_protobuf",
        "a time beyond the year 9999",
        binaryOf(Uint8Array.of(0x4a, 7, 8, 255, 255, 255, 255, 255, 127)),
      ],
      ["not_protobuf", "100,000 levels", binaryOf(Buffer.alloc(100_000, 0x1b))],
      ["invalid_data", "NUL in a text", binaryOf(Uint8Array.of(0x2a, 1, 0))],
      ["too_large", "too much", binaryOf(new Uint8Array(dataLimitBytes + 1))],
      ["unsupported_content_type", "another message", binaryOf(bytes, "application/protobuf; proto=a.B")],
      ["invalid_data", "JSON beside", structured({ datacontenttype: "application/protobuf" })],
    ])("is %s with %s", (cause, _case, delivery) => {
      expect(decodeCloudEvent(delivery)).toMatchObject({
        cause,
        reasons: [{ code: cause, remedy: expect.any(String) }],
      });
    });
  });

  it("may begin with a byte order mark", () => {
    expect(decodeCloudEvent(binary({}, '\ufeff{"a":1}'))).toMatchObject({ event: { data: { a: 1 } } });
  });

  it("is never refused for its trace", () => {
    for (const traceparent of ["00-1-2-3", 7, "a\u0000", "x".repeat(1_000)])
      expect(decodeCloudEvent(structured({ traceparent, tracestate: "a=b" }))).toEqual(decodeCloudEvent(structured()));
    expect(decodeCloudEvent(structured({ traceparent: {} }))).toMatchObject({ reasons: [{ field: "traceparent" }] });
  });

  it("that can't be read says what it claims to be, as far as it can be read", () => {
    const claims = { id: "evt-1", source: "urn:team", type: "asked", tenant: "acme", org: "retail" };
    expect(decodeCloudEvent(binary({}, "{"))).toMatchObject({ claims });
    expect(decodeCloudEvent(structured({ id: 7, data: 1 }))).toMatchObject({ claims: { ...claims, id: undefined } });
    const batch = Buffer.from(`[${structured().body},7]`);
    for (const [type, value] of [
      ["application/json", structured().body],
      ["", structured().body],
      ["application/cloudevents+avro", structured().body],
      ["application/cloudevents-batch+json", batch],
      ["application/cloudevents+json", batch],
    ] as const)
      expect(decodeCloudEvent(delivered({ "content-type": type }, value))).toMatchObject({ claims });
    for (const value of ["{", "7", "[]", "[[7]]", Uint8Array.of(0xff)])
      for (const type of ["application/cloudevents+json", "application/cloudevents-batch+json", "text/json"])
        expect(decodeCloudEvent(delivered({ "content-type": type }, value))).toMatchObject({
          claims: { id: undefined, source: undefined, tenant: undefined },
        });
  });

  it.each([
    ["specversion", "0.3"],
    ["id", "x".repeat(201)],
    ["source", "x".repeat(501)],
    ["tenantid", "Acme"],
    ["tenantid", "-acme"],
    ["orgid", "a".repeat(64)],
    ["time", "yesterday"],
    ["id", "a\0b"],
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
    ["unsupported_content_type", { ...binary(), headers: withType(binary(), "text/plain") }],
    ["not_an_event", delivered({ "content-type": "application/cloudevents+json" }, "[]")],
    ["invalid_attribute", structured({ id: 7 })],
    ["invalid_data", structured({ subject: "\ud800" })],
    ["invalid_data", structured({ data_base64: "e30=" })],
    ["invalid_data", structured({ data: null, data_base64: "e30=" })],
    ["invalid_data", structured({ data: undefined, data_base64: "e30" })],
    ["invalid_data", structured({ data: undefined, data_base64: 7 })],
    ["not_json", structured({ data: undefined, data_base64: "ew==" })],
    ["too_large", structured({ data: undefined, data_base64: Buffer.alloc(dataLimitBytes + 1).toString("base64") })],
    ["too_large", structured({ data: "x".repeat(dataLimitBytes + 17_000) })],
    ["empty", structured({ data: undefined })],
    ["unsupported_content_type", structured({ datacontenttype: "text/xml" })],
  ])("that can't be read is %s", (cause, delivery) => {
    expect(decodeCloudEvent(delivery)).toMatchObject({ cause });
  });

  it("is unreadable when its bus could not unpack it, with the rule that was broken", () => {
    const delivery = { ...delivered({}, null), unreadable: "must unpack to at most 16777216 bytes" };
    expect(decodeCloudEvent(delivery)).toMatchObject({
      cause: "unreadable",
      reasons: [{ code: "unreadable", rule: delivery.unreadable, remedy: expect.stringContaining("smaller batches") }],
      claims: {},
    });
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
      const delivery = next(2) === 0 ? binary({ id: text }, text) : { ...structured(), body: Buffer.from(text) };
      const decoded = decodeCloudEvent(delivery);
      expect("event" in decoded || decoded.reasons.length > 0).toBe(true);
    }
  });
});
