import { describe, expect, it } from "vitest";
import { textHeaders } from "../runs/outbox/bus-record.ts";
import { decodeCloudEvent } from "./cloudevent.ts";
import type { Delivery } from "./delivery.ts";
import { eventsOf } from "./event-batch.ts";

const delivered = (body: string | Uint8Array | null, type = "application/cloudevents-batch+json"): Delivery => ({
  bus: "kafka",
  cluster: "local",
  topic: "requests",
  position: "kafka:local/requests@one/0/7",
  key: "k",
  headers: textHeaders({ "Content-Type": type, ce_id: "of the batch" }),
  body: typeof body === "string" ? Buffer.from(body) : body,
});
const textsOf = (deliveries: readonly Delivery[]) => deliveries.map(({ body }) => String(body));

describe("a batch", () => {
  it("is its events as they are written, each at a position of its own", () => {
    const written = ['{ "id": "a", "n": 1.50 }', "[7]", "null", '{"id":"ü", "id":"b"}'];
    const events = eventsOf(delivered(` [ ${written.join(" ,\n")} ] `));
    expect(textsOf(events)).toEqual(written);
    expect(events.map(({ position }) => position)).toEqual(
      [0, 1, 2, 3].map((n) => `kafka:local/requests@one/0/7#${n}`),
    );
    expect(events[0]).toMatchObject({
      key: "k",
      headers: textHeaders({ "content-type": "application/cloudevents+json" }),
    });
  });

  it.each<[string, string | Uint8Array | null, string, string]>([
    ["no body", null, "empty", "must have a value"],
    ["no event", "[]", "empty", "must have an event"],
    ["an object", "{}", "not_a_batch", "is a JSON array"],
    ["no JSON", "[{},]", "not_json", "must be UTF-8 JSON"],
    ["a comment", "[{} /* one */]", "not_json", "must be UTF-8 JSON"],
    ["no UTF-8", Uint8Array.of(0x5b, 0xff, 0x5d), "not_json", "must be UTF-8 JSON"],
    [
      "more levels than the stack has",
      `${"[".repeat(400_000)}${"]".repeat(400_000)}`,
      "not_json",
      "must be UTF-8 JSON",
    ],
    ["501 events", `[${Array(501).fill("1").join(",")}]`, "too_large", "at most 500 events"],
    ["more than 1 MiB", `["${"x".repeat(1024 * 1024)}"]`, "too_large", "at most 1048576 bytes"],
  ])("with %s stays whole, and is refused with the rule", (_case, body, cause, rule) => {
    const [only, another] = eventsOf(delivered(body));
    expect([only?.position, another]).toEqual(["kafka:local/requests@one/0/7", undefined]);
    expect(decodeCloudEvent(delivered(body))).toMatchObject({
      cause,
      reasons: [{ rule: expect.stringContaining(rule), remedy: expect.stringMatching(/^send /) }],
    });
  });

  it.each([
    ["another content type", delivered("[{}]", "application/json")],
    [
      "two content types",
      { ...delivered("[{}]"), headers: [...delivered("").headers, ...delivered("", "text/plain").headers] },
    ],
    ["what the bus could not unpack", { ...delivered("[{}]"), unreadable: "must be unpackable" }],
  ])("is not taken for one with %s", (_case, delivery) => {
    expect(eventsOf(delivery)).toEqual([delivery]);
  });
});
