import { describe, expect, it } from "vitest";
import { createScrum } from "./scrum.ts";

const scrum = createScrum({ endpoint: "http://127.0.0.1:9", tryTimeoutMs: 10_000, readToken: () => "token" });

describe("what a Scrum service is told", () => {
  it("of a completed run is its evidence for the increment and which items are done", () => {
    const context = {
      scrum: { product: " webshop", sprint: "S-7", goals: ["G-1"], backlogItems: ["PBI-42"], definitionOfDone: "dod" },
    };
    expect(scrum.completionCalls(context)).toEqual([
      {
        method: "AttachIncrementEvidence",
        body: { product: "webshop", sprint: "S-7", increment: "", goals: ["G-1"] },
      },
      {
        method: "RecordItemDone",
        body: { product: "webshop", sprint: "S-7", backlogItems: ["PBI-42"], definitionOfDone: "dod" },
      },
    ]);
  });

  it("of a completed run that names no backlog item does not say that one is done", () => {
    const calls = scrum.completionCalls({ scrum: { product: "webshop", sprint: "S-7" } });
    expect(calls.map(({ method }) => method)).toEqual(["AttachIncrementEvidence"]);
  });

  it("of an impediment is what hinders which items, how often, and what would help", () => {
    const report = {
      impedimentId: "7",
      cause: "verdict_failed",
      summary: "no passing test result",
      lines: [{ requirementId: "tests-passed", state: "LINE_STATE_MISSING", remedy: "add a test step" } as const],
      occurrences: 2,
    };
    expect(scrum.impedimentCall({ scrum: { sprint: "S-7", backlogItems: ["PBI-42"] } }, report)).toEqual({
      method: "RaiseImpediment",
      body: { product: "", sprint: "S-7", backlogItems: ["PBI-42"], ...report },
    });
  });

  it("is never a call that scrum.v1 does not have", async () => {
    const call = scrum.send(
      { method: "DropTheSprint", request: {} },
      { timeoutMs: 100, signal: new AbortController().signal },
    );
    await expect(call).rejects.toThrow("use one of AttachIncrementEvidence, RecordItemDone, RaiseImpediment");
  });
});
