import { describe, expect, it } from "vitest";
import { progressOf } from "./deliver-handoff.ts";

const call = (state: "DUE" | "ACKNOWLEDGED" | "REFUSED", lastError = "") => ({ state, rpc: "M", lastError });

describe("where the tries stand", () => {
  it.each([
    ["accepted, when there is none", [], "ACCEPTED"],
    ["accepted, when all are", [call("ACKNOWLEDGED"), call("ACKNOWLEDGED")], "ACCEPTED"],
    ["pending, while one has no answer", [call("ACKNOWLEDGED"), call("DUE")], "PENDING"],
    ["refused, whatever the others say", [call("DUE"), call("REFUSED", "no"), call("ACKNOWLEDGED")], "REFUSED"],
  ] as const)("is %s", (_case, calls, progress) => {
    expect(progressOf(calls).progress).toBe(`HANDOFF_PROGRESS_${progress}`);
  });

  it("names who refused, and why", () => {
    expect(progressOf([call("REFUSED", "the sprint is over")]).reason).toBe("M: the sprint is over");
  });
});
