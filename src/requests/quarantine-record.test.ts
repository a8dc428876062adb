import { describe, expect, it } from "vitest";
import type { Header } from "../runs/outbox/bus-record.ts";
import { textHeaders } from "../runs/outbox/bus-record.ts";
import type { Delivery } from "./delivery.ts";
import { quarantineRecord } from "./quarantine-record.ts";

const headers: Header[] = [
  ["ce_id", Buffer.from("one")],
  ["ce_id", Buffer.from("two")],
  ["bytes", Uint8Array.of(0, 255)],
  ["empty", new Uint8Array()],
];
const delivery: Delivery = {
  bus: "kafka",
  cluster: "eu",
  topic: "asks",
  position: "kafka:eu/asks@one/0/7",
  key: null,
  headers,
  body: Uint8Array.of(0, 255),
};
const recordOf = (change: Partial<Delivery> = {}) => quarantineRecord({ ...delivery, ...change }, "odd", [], "acme");
const textOf = (of: readonly Header[], name: string) =>
  of.filter(([each]) => each === name).map(([, value]) => Buffer.from(value).toString());

describe("the record of a quarantined delivery", () => {
  it("is the delivery as it came, repeated and binary headers included, and says why and where it stood", () => {
    const record = recordOf();
    expect(record).toMatchObject({ tenant: "acme", key: null, body: delivery.body });
    expect(record.headers.slice(0, headers.length)).toEqual(headers);
    expect(textOf(record.headers, "quarantine-cause")).toEqual(["odd"]);
    expect(textOf(record.headers, "quarantine-origin")).toEqual([delivery.position]);
  });

  it("takes no word of a stranger on its cause or origin", () => {
    const forged = textHeaders({ "quarantine-origin": "elsewhere", "Quarantine-Cause": "none" });
    const record = recordOf({ headers: forged });
    expect(textOf(record.headers, "quarantine-origin")).toEqual([delivery.position]);
    expect(textOf(record.headers, "Quarantine-Cause")).toEqual([]);
  });

  it("is a pointer above 1 MiB, with the headers that tell whose it is", () => {
    const long: Header = ["ce_source", Buffer.alloc(600, "x")];
    const record = recordOf({ body: Buffer.alloc(1024 * 1024), headers: [...headers, long] });
    expect(record.body).toBeNull();
    expect(textOf(record.headers, "ce_id")).toEqual(["one", "two"]);
    expect(textOf(record.headers, "quarantine-omitted")).toHaveLength(1);
    for (const name of ["bytes", "ce_source"]) expect(textOf(record.headers, name)).toEqual([]);
  });
});
