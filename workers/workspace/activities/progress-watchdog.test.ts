import { expect, it } from "vitest";
import { createProgressWatchdog, StalledWorkError } from "./progress-watchdog.ts";

it("lets work live that says something now and then, and ends what is silent for longer than its limit", () => {
  let nowMs = 0;
  const watchdog = createProgressWatchdog({ limitMs: 1_000, nowMs: () => nowMs });
  nowMs = 900;
  watchdog.note();
  watchdog.allow(500);
  nowMs = 2_400;
  expect([watchdog.isAlive(), watchdog.signal.aborted]).toEqual([true, false]);
  nowMs = 2_401;
  expect(watchdog.isAlive()).toBe(false);
  expect(watchdog.signal.reason).toBeInstanceOf(StalledWorkError);
  watchdog.note();
  expect(watchdog.isAlive()).toBe(false);
});
