import { describe, expect, it } from "vitest";
import { checkSource } from "./check-source.ts";

const bindings = [
  { cluster: "eu", topic: "asks", source: "urn:team", tenants: ["acme"], orgs: ["retail"], types: ["asked"] },
];
const here = { cluster: "eu", topic: "asks" };
const event = { source: "urn:team", tenant: "acme", org: "retail", type: "asked" };

describe("a source", () => {
  it("may say what the operator bound it to", () => {
    expect(checkSource(bindings, here, event)).toEqual([]);
  });

  it.each([
    ["on another topic", { ...here, topic: "others" }, event, "foreign_source", "urn:team"],
    ["on another cluster", { ...here, cluster: "us" }, event, "foreign_source", "urn:team"],
    ["that nobody bound", here, { ...event, source: "urn:stranger" }, "foreign_source", "urn:stranger"],
    ["for another tenant", here, { ...event, tenant: "globex" }, "foreign_tenant", "globex"],
    ["for another org", here, { ...event, org: "wholesale" }, "foreign_org", "wholesale"],
    ["for every org at once", here, { ...event, org: "*" }, "foreign_org", "*"],
    ["with another type", here, { ...event, type: "told" }, "foreign_type", "told"],
  ])("%s may not speak, and is told why", (_, where, what, code, value) => {
    expect(checkSource(bindings, where, what)).toEqual([
      {
        code,
        field: expect.any(String),
        value,
        rule: expect.stringMatching(/./),
        remedy: expect.stringMatching(/operator/),
      },
    ]);
  });

  it("may speak for every org of a tenant when the operator says so", () => {
    const all = bindings.map((binding) => ({ ...binding, orgs: ["*"] }));
    expect(checkSource(all, here, { ...event, org: "wholesale" })).toEqual([]);
  });

  it.each([
    ["tenant", { tenants: ["globex"], orgs: ["retail"] }],
    ["org", { tenants: ["acme"], orgs: ["wholesale"] }],
  ])("may not borrow a type from a binding of another %s", (_, whom) => {
    const two = [...bindings, { ...here, source: "urn:team", ...whom, types: ["told"] }];
    expect(checkSource(two, here, { ...event, type: "told" })).toMatchObject([{ code: "foreign_type" }]);
  });
});
