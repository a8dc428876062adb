import type { MessageInitShape } from "@bufbuild/protobuf";
import { create, fromJson, toBinary } from "@bufbuild/protobuf";
import { AnySchema, anyPack, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import type { CloudEventAttributeSchema } from "../gen/automation/v1/cloudevent_pb.ts";
import { CloudEventBatchSchema, CloudEventSchema } from "../gen/automation/v1/cloudevent_pb.ts";
import { RunRequestedSchema } from "../gen/automation/v1/run_requested_pb.ts";
import { textHeaders } from "../runs/outbox/bus-record.ts";
import { decodeCloudEvent } from "./cloudevent.ts";
import { dataLimitBytes } from "./cloudevent-data.ts";
import type { Delivery } from "./delivery.ts";
import { eventsOf } from "./event-batch.ts";

const delivered = (body: Uint8Array | null, type = "application/cloudevents+protobuf"): Delivery => ({
  ...{ bus: "kafka", cluster: "eu", topic: "asks", position: "kafka:eu/asks@one/0/1", key: null },
  headers: textHeaders({ "content-type": type }),
  body,
});
const json = (fields: object) =>
  decodeCloudEvent(delivered(Buffer.from(JSON.stringify(fields)), "application/cloudevents+json"));

const required = { id: "evt-1", source: "urn:team", specVersion: "1.0", type: "asked" };
type Attribute = MessageInitShape<typeof CloudEventAttributeSchema>;
const text = (value: string): Attribute => ({ value: { case: "ceString", value } });
const scope = { tenantid: text("acme"), orgid: text("retail") };
const data = { profile: { id: "team" } };
const textData = { case: "textData", value: JSON.stringify(data) } as const;
const event = (over: MessageInitShape<typeof CloudEventSchema> = {}): MessageInitShape<typeof CloudEventSchema> => ({
  ...required,
  attributes: scope,
  data: textData,
  ...over,
});
const bytesOf = (over?: MessageInitShape<typeof CloudEventSchema>) =>
  toBinary(CloudEventSchema, create(CloudEventSchema, event(over)));
const read = (over?: MessageInitShape<typeof CloudEventSchema>) => decodeCloudEvent(delivered(bytesOf(over)));

describe("an event in the protobuf format", () => {
  it("is the same as in the JSON format, with attributes of every kind", () => {
    const at = new Date("2026-01-31T12:00:00.123Z");
    const attributes: Record<string, Attribute> = {
      ...scope,
      subject: text("PBI-1"),
      time: { value: { case: "ceTimestamp", value: timestampFromDate(at) } },
      dataschema: { value: { case: "ceUri", value: "urn:schema" } },
      correlationid: text("c-1"),
      causationid: { value: { case: "ceUriRef", value: "e-0" } },
      traceparent: text("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
      attempt: { value: { case: "ceInteger", value: 2 } },
      again: { value: { case: "ceBoolean", value: true } },
      raw: { value: { case: "ceBytes", value: Uint8Array.of(1) } },
      unset: {},
    };
    const same = {
      ...{ id: "evt-1", source: "urn:team", specversion: "1.0", type: "asked", tenantid: "acme", orgid: "retail" },
      ...{
        subject: "PBI-1",
        time: at.toISOString(),
        dataschema: "urn:schema",
        correlationid: "c-1",
        causationid: "e-0",
      },
      ...{ traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", attempt: 2, again: true, data },
    };
    expect(read({ attributes })).toEqual(json(same));
    expect(read({ attributes })).toHaveProperty("event.data", data);
  });

  it("has its data as JSON text, as bytes, or as a message", () => {
    const message = fromJson(RunRequestedSchema, data);
    const protobuf = { ...scope, datacontenttype: text("application/protobuf") };
    const binary = toBinary(RunRequestedSchema, message);
    for (const over of [
      { data: textData },
      { data: { case: "binaryData", value: Buffer.from(textData.value) } as const },
      { data: { case: "protoData", value: anyPack(RunRequestedSchema, message) } as const },
      { attributes: protobuf, data: { case: "protoData", value: anyPack(RunRequestedSchema, message) } as const },
      { attributes: protobuf, data: { case: "binaryData", value: binary } as const },
      { attributes: protobuf, data: { case: "protoData", value: create(AnySchema, { value: binary }) } as const },
    ])
      expect(read(over)).toHaveProperty("event.data", data);
  });

  const protobufType = { ...scope, datacontenttype: text("application/protobuf") };
  const other = create(AnySchema, { typeUrl: "type.googleapis.com/other.Message", value: Uint8Array.of() });
  it.each<[string, Uint8Array | null, string, string]>([
    ["nothing", null, "empty", "must have a value"],
    ["no such message", Buffer.from("{}"), "not_protobuf", "must be a protobuf CloudEvent"],
    ["another message as data", bytesOf({ data: { case: "protoData", value: other } }), "not_protobuf", "not type.goo"],
    [
      "a time beyond years",
      bytesOf({ attributes: { ...scope, time: { value: { case: "ceTimestamp", value: { seconds: 2n ** 50n } } } } }),
      "not_protobuf",
      "must be a protobuf CloudEvent",
    ],
    ["no data", bytesOf({ data: { case: undefined } }), "empty", "is required"],
    ["no id", bytesOf({ id: "" }), "missing_attribute", "is required"],
    [
      "an id among the others",
      bytesOf({ attributes: { ...scope, id: text("b") } }),
      "invalid_attribute",
      "field of its own",
    ],
    [
      "a number as subject",
      bytesOf({ attributes: { ...scope, subject: { value: { case: "ceInteger", value: 1 } } } }),
      "invalid_attribute",
      "must be a string",
    ],
    ["protobuf as text", bytesOf({ attributes: protobufType }), "invalid_data", "can't hold what datacontenttype says"],
    ["text that is no JSON", bytesOf({ data: { case: "textData", value: "{" } }), "not_json", "must be UTF-8 JSON"],
    [
      "an odd type of data",
      bytesOf({ attributes: { ...scope, datacontenttype: text("text/plain") } }),
      "unsupported_content_type",
      "media type of JSON",
    ],
    [
      "too much",
      bytesOf({ data: { case: "binaryData", value: new Uint8Array(dataLimitBytes + 1) } }),
      "too_large",
      "at most",
    ],
  ])("is refused with the rule that it breaks: %s", (_what, body, code, rule) => {
    const { reasons = [], cause } = decodeCloudEvent(delivered(body)) as {
      cause?: string;
      reasons?: { code: string; rule: string }[];
    };
    expect(cause).toBeDefined();
    expect(reasons).toContainEqual(
      expect.objectContaining({ code, rule: expect.stringContaining(rule), remedy: expect.stringMatching(/./) }),
    );
  });
});

describe("a batch in the protobuf format", () => {
  const batchType = "application/cloudevents-batch+protobuf";
  const batchOf = (count: number) =>
    toBinary(
      CloudEventBatchSchema,
      create(CloudEventBatchSchema, { events: Array.from({ length: count }, (_, n) => event({ id: `evt-${n}` })) }),
    );

  it("is its events, each at a position of its own; a bad one is one", () => {
    const bad = Uint8Array.of(0x0a, 2, 0xff, 0xff); // of two bytes that are no event
    const events = eventsOf(delivered(Buffer.concat([batchOf(1), bad, batchOf(1)]), batchType));
    expect(events.map(({ position }) => position.split("/").at(-1))).toEqual(["1#0", "1#1", "1#2"]);
    expect(events[0]?.body).toEqual(Buffer.from(bytesOf({ id: "evt-0" })));
    expect(events.map((each) => "event" in decodeCloudEvent(each))).toEqual([true, false, true]);
  });

  it.each<[string, Uint8Array, string, string]>([
    ["no events", toBinary(CloudEventBatchSchema, create(CloudEventBatchSchema, {})), "empty", "must have a value"],
    ["other fields only", Uint8Array.of(0x12, 0), "empty", "must have an event"],
    ["too many", batchOf(501), "too_large", "at most 500 events"],
    ["cut", batchOf(2).subarray(0, -3), "not_protobuf", "must be a protobuf CloudEventBatch"],
    ["JSON", Buffer.from("[]"), "not_protobuf", "must be a protobuf CloudEventBatch"],
  ])("that can't be taken apart is refused as a whole: %s", (_what, body, cause, rule) => {
    const whole = delivered(body, batchType);
    expect(eventsOf(whole)).toEqual([whole]);
    expect(decodeCloudEvent(whole)).toMatchObject({ cause, reasons: [{ rule: expect.stringContaining(rule) }] });
  });
});
