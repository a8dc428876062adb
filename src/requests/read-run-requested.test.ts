import { describe, expect, it } from "vitest";
import { readRunRequested } from "./read-run-requested.ts";

const data = {
  profile: { id: "team" },
  context: { scrum: { product: "p" } },
  work_kind: "story",
  parameters: { any: { thing: 1 } },
};
const schema = (version: string) => `urn:automation:schema:run-requested:${version}`;
const reasonsOf = (given: unknown, dataSchema?: string) => {
  const read = readRunRequested({ data: given, dataSchema });
  return "reasons" in read ? read.reasons.map(({ code, field }) => `${code} ${field}`) : read.droppedFields;
};

describe("the data of a request", () => {
  it.each([
    undefined,
    schema("1.0"),
    "URN:Automation:schema:run-requested:1.0",
    "https://acme.example/schemas/ask.json",
  ])("of schema %s is known in whole, and names every field that is not", (dataSchema) => {
    expect(reasonsOf(data, dataSchema)).toEqual([]);
    const odd = {
      ...data,
      colour: 1,
      context: { scrum: { product: "p", mood: 2 } },
      roleExpectations: [{}, { rank: 3 }],
    };
    expect(reasonsOf(odd, dataSchema)).toEqual([
      "unknown_field data.context.scrum.mood",
      "unknown_field data.colour",
      "unknown_field data.roleExpectations.1.rank",
    ]);
  });

  it("of a newer minor version is read, and what it has more is named", () => {
    const newer = { ...data, colour: 1, context: { scrum: { product: "p", mood: 2 } } };
    const read = readRunRequested({ data: newer, dataSchema: schema("1.12") });
    expect(read).toMatchObject({ droppedFields: ["context.scrum.mood", "colour"], message: { workKind: "story" } });
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`${"x".repeat(300)}${n}`, n]));
    const dropped = reasonsOf({ ...data, ...many }, schema("1.12"));
    expect(dropped).toHaveLength(20);
    expect(Math.max(...dropped.map(({ length }) => length))).toBe(200);
  });

  it.each(["2.0", "0.9", "10.0"])("of schema version %s is refused with the version that is known", (version) => {
    expect(readRunRequested({ data, dataSchema: schema(version) })).toMatchObject({
      reasons: [
        {
          code: "unknown_data_schema",
          value: schema(version),
          rule: expect.stringContaining("must have the major version 1"),
        },
      ],
    });
  });

  it.each([
    schema("1"),
    schema("1.x"),
    schema("01.0"),
    schema("1.0.0"),
    `${schema("1.0")}#x`,
    schema(""),
    "urn:automation:schema:other:1.0",
  ])("of schema %s is told the form", (dataSchema) => {
    expect(readRunRequested({ data, dataSchema })).toMatchObject({
      reasons: [{ rule: "must be urn:automation:schema:run-requested:<major>.<minor>" }],
    });
  });

  it.each([null, [], "x", 7, { profile: 5 }, { workKind: "a", work_kind: "b" }])("is not %j", (given) => {
    expect(reasonsOf(given)).toEqual(["not_a_run_request data"]);
  });

  it.each(["2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z"])("has no deadline %s, which does not exist", (deadline) => {
    expect(reasonsOf({ ...data, deadline })).toEqual(["not_a_run_request data.deadline"]);
  });
});
