import { describe, expect, it } from "vitest";
import { checkSource, ownerOf } from "./check-source.ts";

const bindings = [
  {
    bus: "kafka",
    cluster: "eu",
    topic: "asks",
    source: "urn:team",
    tenants: ["acme"],
    orgs: ["retail"],
    types: ["asked"],
  },
];
const here = { bus: "kafka", cluster: "eu", topic: "asks" };
const event = { source: "urn:team", tenant: "acme", org: "retail", type: "asked" };

describe("a source", () => {
  it("may say what the operator bound it to", () => {
    expect(checkSource(bindings, here, event)).toEqual([]);
  });

  it.each([
    ["on another topic", { ...here, topic: "others" }, event, "foreign_source", "urn:team"],
    ["on another bus", { ...here, bus: "nats" }, event, "foreign_source", "urn:team"],
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

describe("a delivery that can't be accepted", () => {
  const bind = (source: string, tenants: string[], orgs: string[]) => ({
    ...here,
    source,
    tenants,
    orgs,
    types: ["asked"],
  });
  const bound = [
    bind("urn:one", ["acme"], ["retail"]),
    bind("urn:orgs", ["acme"], ["retail", "wholesale"]),
    bind("urn:open", ["acme"], ["*"]),
    bind("urn:many", ["acme", "globex"], ["retail"]),
  ];
  it.each([
    ["its only tenant and org, whatever it claims", { source: "urn:one", tenant: "globex", org: "*" }, "acme/retail"],
    ["its only tenant and org, when it claims nothing", { source: "urn:one" }, "acme/retail"],
    [
      "the org it claims, when that is bound",
      { source: "urn:orgs", tenant: "acme", org: "wholesale" },
      "acme/wholesale",
    ],
    ["every org, when it claims another", { source: "urn:orgs", tenant: "acme", org: "export" }, "acme/*"],
    [
      "any org it claims, when every org is bound",
      { source: "urn:open", tenant: "acme", org: "export" },
      "acme/export",
    ],
    ["every org, when it claims none that can be", { source: "urn:open", tenant: "acme", org: "Ex Port" }, "acme/*"],
    ["the tenant it claims, when that is bound", { source: "urn:many", tenant: "globex" }, "globex/retail"],
    [
      "nobody, when several tenants are bound and none is claimed",
      { source: "urn:many", tenant: "initech" },
      undefined,
    ],
    ["nobody, when its source is not bound", { source: "urn:eve", tenant: "acme", org: "retail" }, undefined],
    ["nobody, when it claims no source", { tenant: "acme", org: "retail" }, undefined],
  ])("belongs to %s", (_, claims, owner) => {
    const found = ownerOf(bound, here, claims);
    expect(found && `${found.tenant}/${found.org}`).toBe(owner);
    expect(ownerOf(bound, { ...here, topic: "others" }, claims)).toBeUndefined();
    expect(ownerOf(bound, { ...here, cluster: "us" }, claims)).toBeUndefined();
  });
});
