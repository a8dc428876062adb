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

  it("names the limit of time that runs from there, and what the work waits for", () => {
    const limit = { cause: "work_limit_exceeded", dueAt: "2030-01-01T12:00:00Z" };
    expect(eventLines({ status: { status: "RUN_STATUS_RUNNING", limit } })).toEqual([
      "RUNNING (limit of time: work, until 2030-01-01T12:00:00Z)",
    ]);
    const waiting = { reason: "the object store answers 507", attempt: 4, nextAttemptAt: "2030-01-01T12:00:08Z" };
    expect(eventLines({ waiting })).toEqual([
      "waits for: the object store answers 507 (attempt 4, goes on at 2030-01-01T12:00:08Z or later)",
    ]);
    const since = "2030-01-01T11:59:00Z";
    expect(eventLines({ waiting: { ...waiting, reason: "receiver scrum: gone", since } })).toEqual([
      `waits for: receiver scrum: gone (since ${since}, attempt 4, goes on at 2030-01-01T12:00:08Z or later)`,
    ]);
    expect(describeLines({ run: { limit, waiting } })).toEqual([
      "limit      work, until 2030-01-01T12:00:00Z",
      "waits for  the object store answers 507 (attempt 4, goes on at 2030-01-01T12:00:08Z or later)",
    ]);
  });

  it("tells that the work begins anew and how it ended before, and who asked to cancel and why", () => {
    const takenUp = { attempt: 2, previousEnd: "its worker\u001b[2J was lost" };
    const told = "attempt 2; how the one before ended: its worker\\x1b[2J was lost";
    expect(eventLines({ takenUp })).toEqual([`the work begins anew: ${told}`]);
    const workspace = { attempt: 2, repositoryId: "shop", ref: "main", baseCommit: "a".repeat(40) };
    expect(eventLines({ workspace })[0]).toMatch(/^workspace: shop main at a{12}, .*, attempt 2$/);
    const at = "2030-01-01T12:00:00Z";
    const run = { cancel: { principal: "paula", reason: "wrong item", at }, attempt: takenUp, generation: 2 };
    expect(describeLines({ run })).toEqual([
      `cancel      asked by paula at ${at}: wrong item`,
      `attempt     ${told.replace("attempt ", "")}`,
      "generation  2: the Temporal workflow before it was lost",
    ]);
    expect(describeLines({ run: { attempt: { attempt: 1 }, generation: 1 } })).toEqual([]);
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
    const call = { receiver: "scrum", rpc: "AttachIncrementEvidence", phase: "HANDOFF_PHASE_TRY" } as const;
    expect(
      eventLines({ handoff: { ...call, accepted: true, returned: [{ kind: "increment", id: "INC-7" }] } }),
    ).toEqual(["hand-off to scrum: AttachIncrementEvidence try accepted, it answered increment:INC-7"]);
    expect(eventLines({ handoff: { ...call, reason: "the sprint is closed" } })).toEqual([
      "hand-off to scrum: AttachIncrementEvidence try refused: the sprint is closed",
    ]);
  });

  it("tells a step's limit, what its persona says behind its name, and the tests that failed", () => {
    const limit = { name: "memory", mechanism: "hard" };
    const step = { stepId: "fix", state: "STEP_STATE_FAILED", cause: "limit_exceeded", reason: "too much" } as const;
    expect(eventLines({ step: { ...step, limit } })).toEqual([
      "✗ step fix: limit_exceeded: memory limit (hard): too much",
    ]);
    expect(eventLines({ message: { stepId: "fix", text: "one\ntwo\u001b[2J", truncated: true } })).toEqual([
      "fix │ one",
      "fix │ two\\x1b[2J",
      "fix │ … more was left out",
    ]);
    expect(eventLines({ plan: { stepId: "fix", items: [{ text: "look", done: true }, { text: "mend" }] } })).toEqual([
      "fix │ ☑ look",
      "fix │ ☐ mend",
    ]);
    const tests = { stepId: "unit", onBase: true, counts: { passed: 5, failed: 1 }, failed: ["adds VAT"] };
    expect(eventLines({ tests })).toEqual(["tests unit on the base: 5 passed, 1 failed", "  ✗ adds VAT"]);
    expect(eventLines({ tests: { stepId: "unit", fault: "a DOCTYPE" } })).toEqual([
      "tests unit on what was captured: no report that counts: a DOCTYPE",
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
  expect(lines).toEqual(["run     r-1", "status  FAILED", "reason  bad\\x1b[2J"]);
});
