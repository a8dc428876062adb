import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonValue } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { RunEventSchema } from "../../src/gen/automation/v1/run_event_pb.ts";
import { toBusRecord } from "../../src/runs/outbox/event-record.ts";
import * as topics from "../../src/runs/outbox/topics.ts";
import { aRequest } from "../support/builders/declared.ts";
import { scrumEvent } from "../support/builders/scrum-event.ts";
import { clone } from "../support/engines/stack.ts";
import { asyncapi, eventFaults, payloadFaults } from "../support/probes/event-faults.ts";
import { events } from "./events.ts";
import { sampleEvents } from "./sample-events.ts";

interface Reference {
  readonly $ref: string;
}
const at = <T>({ $ref }: Reference): T =>
  $ref
    .slice(2)
    .split("/")
    .reduce((node, key) => node[key], asyncapi);
type Channel = { readonly address: string; readonly messages: Readonly<Record<string, Reference>> };
const channels = Object.values<Channel>(asyncapi.channels);

describe("asyncapi.yaml", () => {
  it("has a channel for each topic, and each message of it on its own topic with the schema of its type", () => {
    const named = Object.entries(topics).flatMap(([name, value]) => (name.endsWith("Topic") ? [value] : []));
    expect(channels.map(({ address }) => address).toSorted()).toEqual(named.toSorted());
    const told = channels.flatMap(({ address, messages }) =>
      Object.values(messages).flatMap((reference) => {
        const { name, payload } = at<{ name: string; payload?: { schema: Reference } }>(reference);
        if (payload === undefined) return [];
        const schema = JSON.parse(readFileSync(join(clone, "docs/events", payload.schema.$ref), "utf8"));
        return [{ type: name, topic: address, title: schema.title, schemaId: schema.$id }];
      }),
    );
    expect(told).toEqual(
      events.map(({ type, topic, message, schemaId }) => ({ type, topic, title: message.typeName, schemaId })),
    );
  });

  it("has an operation for each channel: only requests are received", () => {
    const operations = Object.values<{ action: string; channel: Reference }>(asyncapi.operations);
    const told = operations.map(({ action, channel }) => [action, at<Channel>(channel).address]);
    expect(told).toEqual(
      channels.map(({ address }) => [address === topics.requestTopic ? "receive" : "send", address]),
    );
  });
});

describe.each(events)("the schema of $type", ({ type, message, isClosed }) => {
  const samples = sampleEvents(message);

  it("takes what the proto can say, whichever fields are set", () => {
    for (const sample of samples) expect(payloadFaults(type, sample), JSON.stringify(sample)).toEqual([]);
  });

  it("refuses a value of another kind, wherever it stands", () => {
    let tried = 0;
    for (const sample of samples)
      for (const broken of brokenOf(sample)) {
        expect(payloadFaults(type, broken), JSON.stringify(broken)).not.toEqual([]);
        tried += 1;
      }
    expect(tried).toBeGreaterThan(5);
  });

  it(isClosed ? "refuses a field that it does not have" : "lets later versions add fields", () => {
    expect(payloadFaults(type, { ...samples[0], colour: "red" }).length > 0).toBe(isClosed);
  });

  it("refuses an empty event", () => {
    expect(payloadFaults(type, {})).not.toEqual([]);
  });
});

/** Copies of a value, each with one of its leaves replaced by what is neither text, number, truth value nor list. */
function brokenOf(value: JsonValue): JsonValue[] {
  if (Array.isArray(value))
    return [{}, ...value.flatMap((each, n) => brokenOf(each).map((broken) => value.with(n, broken)))];
  if (typeof value !== "object" || value === null) return [{}];
  return Object.entries(value).flatMap(([name, each]) =>
    brokenOf(each).map((broken) => ({ ...value, [name]: broken })),
  );
}

it("an event of a run has the headers that asyncapi.yaml says, and one with others is refused", () => {
  const [sample] = sampleEvents(RunEventSchema);
  const record = toBusRecord({
    tenant: "acme",
    org: "retail",
    runId: "0d5d6a5e-6f0c-5b0e-9c53-3f2f1c1d7a10",
    sequence: 1,
    at: new Date(0),
    json: JSON.stringify(sample),
    correlationId: "c-1",
    causationId: "e-1",
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    tracestate: "a=1",
  });
  const headers = Object.fromEntries(record.headers.map(([name, value]) => [name, Buffer.from(value).toString()]));
  expect(eventFaults(headers.ce_type ?? "", headers, sample)).toEqual([]);
  for (const [name, value] of Object.entries({ ce_id: "1", ce_tenantid: "*", ce_time: "today", other: "" }))
    expect(eventFaults("automation.run.event.v1", { ...headers, [name]: value }, sample)).toHaveLength(1);
});

it.each([
  ["the tests' own request", aRequest()],
  ["the demo's event", JSON.parse(readFileSync(join(clone, "examples/demo/event.json"), "utf8")).data],
  ["the Scrum service's", JSON.parse(scrumEvent("e", "PBI-1", { profile: { id: "scrum-team" } }).body.toString())],
])("a request that is accepted keeps to its schema: %s", (_whose, data) => {
  expect(payloadFaults("automation.run.requested.v1", data)).toEqual([]);
});
