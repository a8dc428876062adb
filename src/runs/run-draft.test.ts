import { describe, expect, it } from "vitest";
import { hashEvent } from "../../test/support/probes/hash-event.ts";
import { canonicalJson } from "../text/canonical-json.ts";
import { draftRun } from "./run-draft.ts";
import { IllegalTransitionError } from "./run-status.ts";
import type { RunRow } from "./run-store.ts";
import { genesis } from "./stream/chain-events.ts";

const at = new Date("2026-01-02T03:04:05.678Z");
const run = {
  runId: "r",
  tenant: "acme",
  org: "o",
  profileId: "p",
  status: "PREPARING",
  references: {},
  pins: null,
  deadlineAt: null,
  createdAt: at,
  workBegunAt: at,
  sealingAt: null,
  queueLimitSeconds: 60,
  workLimitSeconds: 60,
  handoffLimitSeconds: 120,
} as RunRow;
const later = (seconds: number) => new Date(at.getTime() + seconds * 1_000);

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
    expect(draft.head).toEqual({
      lastSequence: 3,
      lastHash: hashEvent(draft.events[2]?.event ?? {}),
      sizeBytes: draft.events.reduce((sum, { event }) => sum + canonicalJson(event).length + 1, 0),
    });
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

  it("says with each status which limit of time runs from there, and none on the way to another end than COMPLETED", () => {
    const draft = draftRun({ ...run, status: "ADMITTED", workBegunAt: null }, genesis, at);
    draft.moveTo("PREPARING", "a");
    draft.moveTo("EVALUATING", "b");
    draft.moveTo("SEALING", "c", { outcome: "COMPLETED" });
    const limits = draft.events.map(({ event }) => event.status?.limit);
    const work = { cause: "work_limit_exceeded", dueAt: later(60).toISOString() };
    expect(limits).toEqual([work, work, { cause: "handoff_limit_exceeded", dueAt: later(120).toISOString() }]);
    expect(draft.run).toMatchObject({ workBegunAt: at, sealingAt: at });

    const failed = draftRun(run, genesis, at);
    failed.moveTo("SEALING", "a", { outcome: "FAILED" });
    expect(failed.events[0]?.event.status).not.toHaveProperty("limit");
  });

  it("leaves the work of a plan with steps to begin when a worker takes it up", () => {
    const draft = draftRun({ ...run, status: "ADMITTED", workBegunAt: null, pins: {} }, genesis, at);
    draft.moveTo("PREPARING", "a");
    expect(draft.run.workBegunAt).toBeNull();
    expect(draft.events[0]?.event.status?.limit?.cause).toBe("queue_limit_exceeded");
  });

  it("ends a run at its moment and lets nothing follow", () => {
    const draft = draftRun({ ...run, status: "SEALING" }, genesis, at);
    draft.moveTo("FAILED", "a", { reason: "x" });
    expect(draft.run).toMatchObject({ status: "FAILED", reason: "x", endedAt: at });
    expect(() => draft.moveTo("SEALING", "b")).toThrow(IllegalTransitionError);
    expect(draft.events).toHaveLength(1);
  });
});
