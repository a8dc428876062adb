import { describe, expect, it } from "vitest";
import { scrum } from "./scrum.ts";

describe("what a Scrum service is told", () => {
  it("of a completed run is its evidence for the increment and which items are done", () => {
    const context = {
      product: " webshop",
      sprint: "S-7",
      goals: ["G-1"],
      backlogItems: ["PBI-42"],
      definitionOfDone: "dod",
    };
    expect(scrum.completionCalls(context)).toEqual([
      {
        rpc: "AttachIncrementEvidence",
        payload: { product: "webshop", sprint: "S-7", increment: "", goals: ["G-1"] },
      },
      {
        rpc: "RecordItemDone",
        payload: { product: "webshop", sprint: "S-7", backlogItems: ["PBI-42"], definitionOfDone: "dod" },
      },
    ]);
  });

  it("of a completed run that names no backlog item does not say that one is done", () => {
    const calls = scrum.completionCalls({ product: "webshop", sprint: "S-7" });
    expect(calls.map(({ rpc }) => rpc)).toEqual(["AttachIncrementEvidence"]);
  });

  it("of an impediment is what hinders which items, how often, and what would help", () => {
    const report = {
      impedimentId: "7",
      cause: "verdict_failed",
      summary: "no passing test result",
      lines: [{ requirementId: "tests-passed", state: "LINE_STATE_MISSING", remedy: "add a test step" } as const],
      occurrences: 2,
    };
    expect(scrum.impedimentCall({ sprint: "S-7", backlogItems: ["PBI-42"] }, report)).toEqual({
      rpc: "RaiseImpediment",
      payload: { product: "", sprint: "S-7", backlogItems: ["PBI-42"], ...report },
    });
  });
});

describe("what a Scrum service returns", () => {
  const attach = { rpc: "AttachIncrementEvidence", payload: { product: "webshop" } };

  it("is an increment of the product, or an impediment", () => {
    expect(scrum.returned(attach, { incrementId: "INC-1" })).toEqual([
      { kind: "increment", id: "INC-1", parent: { kind: "product", id: "webshop" } },
    ]);
    expect(scrum.returned({ rpc: "RaiseImpediment", payload: {} }, { impedimentId: "IMP-1" })).toEqual([
      { kind: "impediment", id: "IMP-1" },
    ]);
  });

  it("is nothing when it names nothing", () => {
    expect(scrum.returned(attach, {})).toEqual([]);
    expect(scrum.returned({ rpc: "RecordItemDone", payload: {} }, {})).toEqual([]);
  });
});
