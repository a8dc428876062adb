import { describe, expect, it } from "vitest";
import { textHeaders } from "../runs/outbox/bus-record.ts";
import { identityKey, payloadDigest, recordDigest, requestIdOf, runIdOf } from "./request-identity.ts";

const identity = { tenant: "acme", source: "urn:team", eventId: "evt-1" };

describe("the identity of a request", () => {
  it("gives the same ids on every redelivery, for ever", () => {
    expect(runIdOf(identity, 0)).toBe("f941124d-f643-5420-ad09-f4011f8051f8");
    expect(requestIdOf(identity, 0)).toBe("7491852d-c388-56a3-a6c2-d2d007bb059f");
  });

  it("knows a record by its key, headers and bytes", () => {
    const record = { key: "k", headers: textHeaders({ a: "1", b: "2" }), body: Buffer.from("v") };
    const records: Parameters<typeof recordDigest>[0][] = [
      record,
      { ...record, key: "" },
      { ...record, key: null },
      { ...record, headers: textHeaders({ a: "1" }) },
      { ...record, headers: textHeaders({ a: "1b", "": "2" }) },
      { ...record, headers: textHeaders({ b: "2", a: "1" }) },
      { ...record, headers: [...record.headers, ...textHeaders({ a: "1" })] },
      { ...record, body: Buffer.from("w") },
      { ...record, body: Buffer.from("") },
      { ...record, body: null },
    ];
    const digests = records.map(recordDigest);
    expect(new Set(digests).size).toBe(records.length);
    expect(recordDigest({ ...record, body: Buffer.from("v") })).toBe(digests[0]);
  });

  it("gives each decision and each identity its own run", () => {
    const ids = [
      runIdOf(identity, 0),
      runIdOf(identity, 1),
      runIdOf({ ...identity, tenant: "globex" }, 0),
      runIdOf({ ...identity, source: "urn:other" }, 0),
      runIdOf({ ...identity, eventId: "evt-2" }, 0),
      requestIdOf(identity, 0),
    ];
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("does not run parts together", () => {
    expect(identityKey({ tenant: "a", source: "bc", eventId: "d" })).not.toBe(
      identityKey({ tenant: "ab", source: "c", eventId: "d" }),
    );
    expect(runIdOf({ tenant: "a", source: "b1", eventId: "c" }, 0)).not.toBe(
      runIdOf({ tenant: "a", source: "b", eventId: "1c" }, 0),
    );
  });

  it("digests what the data says, not how it is written", () => {
    expect(payloadDigest({ b: 1, a: [1.0, "x"] })).toBe(payloadDigest(JSON.parse('{"a":[1,"x"],"b":1e0}')));
    expect(payloadDigest({ a: 1 })).not.toBe(payloadDigest({ a: "1" }));
  });
});
