import { expect, it } from "vitest";
import { reasonOfVerdict } from "./verdict-reason.ts";

it("tells what is not met in 2000 characters at most, cut between characters", () => {
  for (const before of ["", "c"]) {
    const line = {
      requirementId: "tests-passed",
      state: "LINE_STATE_FAILED",
      detail: `${before}${"😀".repeat(1_500)}`,
    };
    const reason = reasonOfVerdict({ passed: false, lines: [{ ...line, state: "LINE_STATE_FAILED" }] });
    expect(reason.length).toBeLessThanOrEqual(2_000);
    expect(reason.isWellFormed()).toBe(true);
  }
});
