import { expect, it } from "vitest";
import { createStallMeter } from "./stalled-box.ts";

it("says for how long a box has neither spoken nor used a fiftieth of a CPU", () => {
  const stalledMs = createStallMeter(0);
  expect(stalledMs({ at: 1_000, cpuMs: 19, saidAt: 0 })).toBe(1_000);
  expect(stalledMs({ at: 2_000, cpuMs: 39, saidAt: 0 })).toBe(0); // 20 ms of CPU in a second
  expect(stalledMs({ at: 3_000, cpuMs: 40, saidAt: 2_500 })).toBe(500);
  expect(stalledMs({ at: 9_000, cpuMs: 41, saidAt: 2_500 })).toBe(6_500);
});
