import { describe, expect, it } from "vitest";
import type { TimedRun } from "./time-limits.ts";
import { exceededLimit, nextLimit, noLimitBefore } from "./time-limits.ts";

const at = (seconds: number) => new Date(1_000_000 + seconds * 1_000);
const queued: TimedRun = {
  status: "ADMITTED",
  deadlineAt: null,
  createdAt: at(0),
  workBegunAt: null,
  sealingAt: null,
  queueLimitSeconds: 1_000,
  workLimitSeconds: 10,
  handoffLimitSeconds: 100,
};
const working: TimedRun = { ...queued, status: "RUNNING", workBegunAt: at(900) };
const handingOver: TimedRun = { ...working, status: "SEALING", sealingAt: at(905) };

describe("the limit that runs", () => {
  it.each([
    ["of a run that waits: the queue's, from acceptance", queued, "queue_limit_exceeded", 1_000],
    [
      "of a workflow that waits for a worker: the queue's",
      { ...queued, status: "PREPARING" },
      "queue_limit_exceeded",
      1_000,
    ],
    ["of work: its own, from when it began", working, "work_limit_exceeded", 910],
    ["of a prepared seal: the hand-off's, from then on", handingOver, "handoff_limit_exceeded", 1_005],
    [
      "is the deadline in every phase where that is earlier",
      { ...handingOver, deadlineAt: at(950) },
      "deadline_exceeded",
      950,
    ],
    ["is not a deadline that is later", { ...working, deadlineAt: at(950) }, "work_limit_exceeded", 910],
  ] as const)("%s", (_, run, cause, dueAt) => {
    expect(nextLimit(run)).toEqual({ cause, dueAt: at(dueAt) });
    expect(exceededLimit(run, at(dueAt - 1))).toBeUndefined();
    expect(exceededLimit(run, at(dueAt))).toEqual({ cause, dueAt: at(dueAt) });
  });

  it("is none after the end", () => {
    expect(nextLimit({ ...handingOver, status: "COMPLETED" })).toBeUndefined();
    expect(noLimitBefore({ ...handingOver, status: "COMPLETED" }, at(0))).toBeUndefined();
  });
});

describe("until when no limit can pass", () => {
  it.each([
    ["a run that waits may begin at once, and its work's limit passes first", queued, 500, 510],
    ["a queue's limit that is nearer", queued, 995, 1_000],
    ["work: its limit", working, 905, 910],
    [
      "work that may be handed over at once, under a shorter limit",
      { ...working, workLimitSeconds: 60, handoffLimitSeconds: 20 },
      905,
      925,
    ],
    [
      "a run that waits, and whose limits are so short that asking would be all that is done",
      { ...queued, workLimitSeconds: 1 },
      500,
      510,
    ],
    ["a hand-off: its limit", handingOver, 950, 1_005],
    ["a deadline that is nearer", { ...queued, deadlineAt: at(503) }, 500, 503],
  ] as const)("%s", (_, run, now, expected) => {
    expect(noLimitBefore(run, at(now))).toEqual(at(expected));
  });
});
