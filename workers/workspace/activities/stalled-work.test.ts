import { expect, it } from "vitest";
import { createStallDetector, StalledWorkError } from "./stalled-work.ts";

it("aborts work that makes no progress for longer than its limit, and no other", () => {
  let nowMs = 0;
  const detector = createStallDetector({ limitMs: 1_000, nowMs: () => nowMs });
  nowMs = 900;
  detector.noteProgress();
  detector.allowSilence(500);
  nowMs = 2_400;
  expect([detector.isAlive(), detector.signal.aborted]).toEqual([true, false]);
  nowMs = 2_401;
  expect(detector.isAlive()).toBe(false);
  expect(detector.signal.reason).toBeInstanceOf(StalledWorkError);
  detector.noteProgress();
  expect(detector.isAlive()).toBe(false);
});
