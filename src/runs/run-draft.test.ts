import { describe, expect, it } from "vitest";
import { genesis, hashEvent } from "./chain-events.ts";
import { draftRun } from "./run-draft.ts";
import { IllegalTransitionError } from "./run-status.ts";
import type { RunRow } from "./run-store.ts";

const at = new Date("2026-01-02T03:04:05.678Z");
const run = { runId: "r", tenant: "acme", org: "o", profileId: "p", status: "PREPARING", references: {} } as RunRow;

describe("a draft of what is said about a run", () => {
  it("has the same hashes every time it is made from the same point and moment", () => {
    const make = () => {
      const draft = draftRun(run, genesis, at);
      draft.moveTo("EVALUATING", "a");
      draft.append([{ writerKey: "b", message: { text: "hello" } }]);
      draft.moveTo("SEALING", "c", { outcome: "COMPLETED", reason: "all met" });
      return draft;
    };
    const draft = make();
    expect(make().head).toEqual(draft.head);
    expect(draft.events.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(draft.head).toEqual({ lastSequence: 3, lastHash: hashEvent(draft.events[2]?.event ?? {}) });
    expect(draft.events[2]?.event).toMatchObject({
      prevHash: draft.events[1]?.hash,
      at: at.toISOString(),
      status: {
        status: "RUN_STATUS_SEALING",
        previous: "RUN_STATUS_EVALUATING",
        outcome: "RUN_STATUS_COMPLETED",
        reason: "all met",
      },
    });
    expect([draft.base, draft.run.status, draft.run.endedAt]).toEqual([genesis, "SEALING", null]);
  });

  it("ends a run at its moment and lets nothing follow", () => {
    const draft = draftRun({ ...run, status: "SEALING" }, genesis, at);
    draft.moveTo("FAILED", "a", { reason: "x" });
    expect(draft.run).toMatchObject({ status: "FAILED", reason: "x", endedAt: at });
    expect(() => draft.moveTo("SEALING", "b")).toThrow(IllegalTransitionError);
    expect(draft.events).toHaveLength(1);
  });
});
