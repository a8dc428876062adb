import { describe, expect, it } from "vitest";
import type { CheckReport } from "./check.ts";
import { createWatch } from "./watch.ts";

const start = new Date("2026-01-01T00:00:00Z");
const minute = (minutes: number) => new Date(start.getTime() + 60_000 * minutes);
const report = (broken: number, isWhole = true): CheckReport => ({
  isWhole,
  seen: {},
  invariants: [
    { id: "I3", claim: "a", seen: 5, broken },
    { id: "I3", claim: "b", seen: 2, broken: 0 },
  ],
  findings: [],
});

describe("the rounds of a watch", () => {
  it("look at everything first, then at what came since, and at everything once a day", () => {
    const watch = createWatch(start);
    expect(watch.nextSince(start)).toBeUndefined();
    watch.ended(report(0), undefined, start, minute(1));
    expect(watch.nextSince(minute(2))).toEqual(minute(-60));
    watch.ended(report(0), minute(-60), minute(2), minute(3));
    expect(watch.nextSince(minute(10))).toEqual(minute(2 - 60));
    expect(watch.nextSince(minute(24 * 60))).toBeUndefined();
    expect(watch.standing()).toEqual({ invariants: [{ id: "I3", seen: 7, broken: 0 }], endedAt: minute(3) });
  });

  it("look at everything while anything is broken, so that a mended fault is forgotten", () => {
    const watch = createWatch(start);
    watch.ended(report(0), undefined, start, start);
    watch.ended(report(2), minute(-60), minute(1), minute(1));
    expect(watch.standing().invariants).toMatchObject([{ broken: 2 }]);
    expect(watch.nextSince(minute(2))).toBeUndefined();
    watch.ended(report(1), undefined, minute(2), minute(2));
    expect(watch.standing().invariants).toMatchObject([{ broken: 1 }]);
    watch.ended(report(0), undefined, minute(3), minute(3));
    expect(watch.standing().invariants).toMatchObject([{ broken: 0 }]);
    expect(watch.nextSince(minute(4))).toEqual(minute(3 - 60));
  });

  it("count for nothing when they did not see all they meant to", () => {
    const watch = createWatch(start);
    watch.ended(report(3, false), undefined, start, minute(1));
    expect(watch.standing()).toEqual({ invariants: [], endedAt: start });
    expect(watch.nextSince(minute(2))).toBeUndefined();
  });
});
