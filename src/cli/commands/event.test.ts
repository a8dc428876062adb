import type { JsonObject } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { toBinaryRecord } from "./event.ts";

const event: JsonObject = { specversion: "1.0", id: "e-1", source: "urn:s", type: "t.v1", data: { goal: "é" } };
const acme = { tenant: "acme", org: "retail" };

describe("an event to publish", () => {
  it("becomes a binary CloudEvent: attributes are headers, data is the value", () => {
    const { headers, body } = toBinaryRecord(event, acme);
    expect(headers).toEqual({
      "content-type": "application/json",
      ce_specversion: "1.0",
      ce_id: "e-1",
      ce_source: "urn:s",
      ce_type: "t.v1",
      ce_tenantid: "acme",
      ce_orgid: "retail",
    });
    expect(Buffer.from(body).toString("utf8")).toBe('{"goal":"é"}');
  });

  it("leaves out what is null, which means unset", () => {
    const unset = { subject: null, time: null, datacontenttype: null, tenantid: null };
    expect(toBinaryRecord({ ...event, ...unset }, acme)).toEqual(toBinaryRecord(event, acme));
  });

  it("takes id and source of the command before those of the file", () => {
    const { headers } = toBinaryRecord(event, { ...acme, id: "e-2", source: "urn:other" });
    expect([headers.ce_id, headers.ce_source]).toEqual(["e-2", "urn:other"]);
  });

  it.each([
    [
      "for another tenant than the command's",
      { ...event, tenantid: "globex" },
      'tenantid "globex": the file must name',
    ],
    ["without an id", { ...event, id: "" }, 'id "": a CloudEvent has it as a text'],
    ["without a type", { ...event, type: 5 }, "type 5: a CloudEvent has it as a text"],
    ["without data", { ...event, data: undefined }, "data (absent)"],
    ["with an attribute name of another form", { ...event, tenant_id: "x" }, "tenant_id: attribute names"],
    ["with a nested attribute", { ...event, extra: { a: 1 } }, 'extra {"a":1}: an attribute is a text'],
  ])("%s is refused by name, value, rule and remedy", (_, given, expected) => {
    expect(() => toBinaryRecord(given as JsonObject, acme)).toThrow(expected);
  });
});
