import { describe, expect, it } from "vitest";
import { retryDelayMs } from "./deliver-with-retries.ts";

describe("the wait before a call is made again", () => {
  it("doubles from half a second and never exceeds a minute", () => {
    expect([0, 1, 2, 6, 7, 8, 1_000].map((attempts) => retryDelayMs(attempts, 1))).toEqual([
      500, 1_000, 2_000, 32_000, 60_000, 60_000, 60_000,
    ]);
  });

  it("is spread over its upper half", () => {
    expect([retryDelayMs(3, 0), retryDelayMs(3, 0.5), retryDelayMs(3, 1)]).toEqual([2_000, 3_000, 4_000]);
  });
});
