import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { kafkaHeaders } from "../../src/api/http/events-door.ts";
import type { Declarations } from "../../src/definitions/declarations.ts";
import type { Reason } from "../../src/definitions/rejection-reason.ts";
import { buildRow } from "../../src/requests/build-row.ts";
import { decodeCloudEvent } from "../../src/requests/cloudevent.ts";
import { decideRequest } from "../../src/requests/decide-request.ts";
import type { Delivery } from "../../src/requests/delivery.ts";
import { eventsOf } from "../../src/requests/event-batch.ts";
import { quarantine } from "../../src/requests/quarantine-delivery.ts";
import type { Header } from "../../src/runs/outbox/bus-record.ts";
import { textHeaders } from "../../src/runs/outbox/bus-record.ts";
import { aProfile, aRequest, runs, workspaces } from "../support/builders/declared.ts";

/** `FUZZ_SEED` repeats a run, `FUZZ_RUNS` says how long one is. */
const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
const numRuns = Number(process.env.FUZZ_RUNS ?? 500);

const event = {
  ...{ specversion: "1.0", id: "evt-1", source: "urn:team", type: "asked", tenantid: "acme", orgid: "retail" },
  data: aRequest({ parameters: { any: [1, "x", null] }, roleExpectations: [{ role: "developer", minPeople: 1 }] }),
};
const declarations: Declarations = {
  rules: () => [],
  ruleVersion: () => undefined,
  profile: (id) => (id === "team" ? { id, version: "1", digest: "0".repeat(64), profile: aProfile() } : undefined),
  hasDefinition: (id) => id === "evidence",
  version: ({ id }) =>
    id === "evidence" ? { definitionId: id, version: "1", digest: "0".repeat(64), plan: {} } : undefined,
  repository: () => undefined,
  persona: () => undefined,
};
const rules = { operator: { knownRoles: ["developer"], workspaces, runs }, now: new Date("2026-01-01T00:00:00Z") };
const delivered = (headers: readonly Header[], body: Uint8Array | null): Delivery => ({
  ...{ bus: "kafka", cluster: "eu", topic: "asks", position: "kafka:eu/asks@one/0/1", key: null },
  headers,
  body,
});
const typed = (type: string, body: Uint8Array) => delivered(textHeaders({ "content-type": type }), body);

/** As accept treats a delivery, up to the rows. @returns its disposition */
function outcomeOf(delivery: Delivery): string {
  const told = (reasons: readonly Reason[]) => {
    expect(reasons.length).toBeGreaterThan(0);
    for (const { code, rule, remedy } of reasons) expect([code, rule, remedy]).not.toContain("");
  };
  const decoded = decodeCloudEvent(delivery);
  if ("cause" in decoded) {
    told(decoded.reasons);
    return storableOf(
      quarantine({ bindings: [], now: () => rules.now }, delivery, decoded.claims, decoded.cause, decoded.reasons),
      "quarantined",
    );
  }
  const decision = decideRequest(decoded.event, declarations, rules);
  if (decision.disposition !== "accepted") told(decision.reasons);
  const row = buildRow(decoded.event, decision, { position: delivery.position, now: rules.now, delivery });
  return storableOf(row, decision.disposition);
}

/** What Postgres takes as jsonb: no NUL and no half of a surrogate pair. */
function storableOf(row: object, disposition: string): string {
  const text = JSON.stringify(row);
  expect(/(?<!\\)(\\\\)*\\u(0000|d[89a-f]..)/i.test(text)).toBe(false);
  return disposition;
}

const anyText = fc.oneof(fc.string({ unit: "binary" }), fc.string(), fc.constantFrom("\0", "\ud83d", "__proto__", ""));
const anyJson = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  anyText,
  fc.double(),
  fc.constantFrom(1e300, -0, 2 ** 53 + 2, null),
);
/** A place in a JSON value, taken by the numbers in turn, has another value, another name, or is gone. */
function changed(json: unknown, [at = 0, ...rest]: readonly number[], value: unknown, name: string): unknown {
  if (typeof json !== "object" || json === null) return value;
  const entries = Object.entries(json);
  const index = at % (entries.length + 1);
  const [key, inner] = entries[index] ?? [name, undefined];
  const next = rest.length === 0 ? value : changed(inner, rest, value, name);
  if (Array.isArray(json)) return Object.assign([...json], { [index]: next });
  return { ...json, [key]: next };
}
const changedEvent = fc
  .array(fc.tuple(fc.array(fc.nat(20), { minLength: 1, maxLength: 5 }), anyJson, anyText), {
    minLength: 1,
    maxLength: 4,
  })
  .map((changes) => changes.reduce<unknown>((json, [path, value, name]) => changed(json, path, value, name), event));
/** Some bytes of the text are others. */
const damaged = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }).map((changes) => {
  const bytes = Buffer.from(JSON.stringify(event));
  for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
  return bytes;
});
const anyBody = fc.oneof(
  changedEvent.map((json) => Buffer.from(JSON.stringify(json) ?? "")),
  damaged,
  fc.uint8Array({ maxLength: 200 }),
);
const anyType = fc.oneof(
  fc.constantFrom(
    ...["application/json", "application/protobuf", "application/cloudevents+json"],
    ...["application/cloudevents+protobuf", "application/cloudevents-batch+protobuf"],
    ...["application/cloudevents-batch+json", "application/cloudevents+avro", ""],
  ),
  anyText,
);
const attributeNames = Object.keys(event).map((name) => `ce_${name}`);
const anyHeaders = fc.array(
  fc.tuple(
    fc.oneof(fc.constantFrom(...attributeNames, "ce_time", "ce_traceparent"), anyText),
    fc.uint8Array({ maxLength: 40 }),
  ),
  { maxLength: 8 },
);
const check = (property: fc.IRawProperty<unknown>) => fc.assert(property, { seed, numRuns, endOnFailure: true });
const dispositions = ["accepted", "filtered", "rejected", "quarantined"];

describe(`whatever comes (seed ${seed}, ${numRuns} times each)`, { timeout: 900_000 }, () => {
  it("gets a disposition, with rule and remedy, in every mode", () => {
    check(
      fc.property(anyType, anyHeaders, anyBody, (type, headers, body) => {
        const all = [...textHeaders({ "content-type": type }), ...headers];
        for (const each of eventsOf(delivered(all, body))) expect(dispositions).toContain(outcomeOf(each));
      }),
    );
  });

  it("gets one as the data of an event whose attributes are right, as JSON and as protobuf", () => {
    const { data: _data, ...attributes } = event;
    const named = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce_${name}`, value]));
    const types = fc.constantFrom("application/json", "application/protobuf");
    const dataOf = fc.oneof(
      changedEvent.map((json) => Buffer.from(JSON.stringify((json as { data?: unknown } | null)?.data) ?? "")),
      fc.uint8Array({ maxLength: 60 }),
    );
    check(
      fc.property(types, dataOf, (type, body) => {
        const delivery = delivered(textHeaders({ "content-type": type, ...named }), body);
        expect(dispositions).toContain(outcomeOf(delivery));
      }),
    );
  });

  it("leaves its neighbours in a batch as they are", () => {
    const good = JSON.stringify(event);
    check(
      fc.property(fc.oneof(changedEvent, anyJson), (json) => {
        const body = Buffer.from(`[${good}, ${JSON.stringify(json) ?? "null"}, ${good}]`);
        const [first, bad, last, another] = eventsOf(typed("application/cloudevents-batch+json", body));
        if (first === undefined || bad === undefined || last === undefined) throw new Error("an event is missing");
        expect([outcomeOf(first), outcomeOf(last), another]).toEqual(["accepted", "accepted", undefined]);
        expect(dispositions).toContain(outcomeOf(bad));
      }),
    );
  });

  it("is read from HTTP headers as it was written, when it was percent-encoded", () => {
    check(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(kafkaHeaders(["Ce-Subject", encodeURIComponent(text)])).toEqual(textHeaders({ ce_subject: text }));
      }),
    );
  });
});
