import { expect, it } from "vitest";
import type { BusRecord } from "./bus-record.ts";
import { splitByBytes, toBusRecord } from "./event-record.ts";

const event = (sequence: number, json = "{}") =>
  toBusRecord({ tenant: "acme", org: "acme-eu", runId: "r1", sequence, at: new Date(0), json });

const textsOf = ({ headers }: BusRecord) =>
  Object.fromEntries(headers.map(([name, value]) => [name, Buffer.from(value).toString()]));

it("names a run event by run and sequence, and keys it by run", () => {
  expect(event(7).key).toBe("r1");
  expect(textsOf(event(7))).toMatchObject({
    ce_id: "r1/7",
    ce_source: "automation://acme",
    ce_subject: "r1",
    ce_tenantid: "acme",
    ce_orgid: "acme-eu",
  });
});

it("splits records in order into sends below the limit, a larger one alone", () => {
  const records = [event(1), event(2), event(3, "x".repeat(5_000)), event(4)];
  const parts = splitByBytes(records, 1_000);
  expect(parts.map((part) => part.map((record) => textsOf(record).ce_id))).toEqual([
    ["r1/1", "r1/2"],
    ["r1/3"],
    ["r1/4"],
  ]);
  expect(splitByBytes([], 1_000)).toEqual([]);
});
