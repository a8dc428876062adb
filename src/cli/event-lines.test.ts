import { describe, expect, it } from "vitest";
import { describeLines } from "./describe-lines.ts";
import { createEventTeller, eventLines, verdictLines } from "./event-lines.ts";

describe("what a run event says", () => {
  it("names the end that SEALING leads to, and why", () => {
    const status = { status: "RUN_STATUS_SEALING", outcome: "RUN_STATUS_FAILED", reason: "tests are missing" } as const;
    expect(eventLines({ status })).toEqual(["SEALING → FAILED: tests are missing"]);
    expect(eventLines({ status: { status: "RUN_STATUS_COMPLETED", outcome: "RUN_STATUS_COMPLETED" } })).toEqual([
      "COMPLETED",
    ]);
  });

  it("tells a reason once, and another one again", () => {
    const tell = createEventTeller();
    const said = (status: "RUN_STATUS_SEALING" | "RUN_STATUS_FAILED", reason: string) =>
      tell({ status: { status, reason } });
    expect(said("RUN_STATUS_SEALING", "tests are missing")).toEqual(["SEALING: tests are missing"]);
    expect(said("RUN_STATUS_FAILED", "tests are missing")).toEqual(["FAILED"]);
    expect(said("RUN_STATUS_FAILED", "refused")).toEqual(["FAILED: refused"]);
  });

  it("names what a methodology answered, with the ids it gave", () => {
    const call = { receiver: "scrum", method: "AttachIncrementEvidence", phase: "HANDOFF_PHASE_TRY" } as const;
    expect(
      eventLines({ handoff: { ...call, accepted: true, returned: [{ kind: "increment", id: "INC-7" }] } }),
    ).toEqual(["hand-off to scrum: AttachIncrementEvidence try accepted, it answered increment:INC-7"]);
    expect(eventLines({ handoff: { ...call, reason: "the sprint is closed" } })).toEqual([
      "hand-off to scrum: AttachIncrementEvidence try refused: the sprint is closed",
    ]);
  });

  it("says so when it is of a kind that is not known", () => {
    expect(eventLines({ sequence: "3" })).toEqual(["an event this version of the program does not know"]);
  });
});

it("a verdict shows the remedy of each line that is not met, and only of those", () => {
  const lines = verdictLines({
    lines: [
      { requirementId: "run-completed", state: "LINE_STATE_MET", detail: "1 of 1", remedy: "Ask again." },
      { requirementId: "tests-passed", state: "LINE_STATE_MISSING", detail: "0 of 1", remedy: "Run the tests." },
    ],
  });
  expect(lines).toEqual([
    "verdict not passed",
    "  ✓ run-completed: 1 of 1",
    "  ✗ tests-passed: missing: 0 of 1; remedy: Run the tests.",
  ]);
});

it("a described run leaves out what is not known, and steers no terminal", () => {
  const lines = describeLines({ run: { id: "r-1", status: "RUN_STATUS_FAILED", reason: "bad\u001b[2J" } });
  expect(lines).toEqual(["run     r-1", "status  FAILED", "reason  bad [2J"]);
});
