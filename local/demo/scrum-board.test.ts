import { expect, it } from "vitest";
import { boardLines, boardOf } from "./scrum-board.ts";

const proof = (runId: string) => ({ runId, evidence: [{ kind: "agent-run" }], vsa: { verdict: { level: "L" } } });
const board = {
  held: {
    increments: [
      { tenant: "acme", id: "INC-1", sprint: "S-7", evidence: [proof("r-1"), proof("r-2")] },
      { tenant: "globex", id: "INC-9", sprint: "S-7", evidence: [proof("r-1")] },
    ],
    doneItems: [{ tenant: "acme", backlogItem: "PBI-42", records: [proof("r-1"), proof("r-2")] }],
    impediments: [
      {
        tenant: "acme",
        id: "IMP-1",
        backlogItems: ["PBI-42"],
        cause: "verdict_failed",
        summary: "1 is missing",
        lines: [
          { requirementId: "run-completed", state: "LINE_STATE_MET" as const },
          { requirementId: "tests-passed", state: "LINE_STATE_MISSING" as const, detail: "0 of 1", remedy: "Test." },
        ],
        occurrences: 2,
        runIds: ["r-3"],
      },
    ],
  },
  provisional: [{ tenant: "acme", method: "RecordItemDone", runId: "r-4" }],
};
const lines = (runId: string) => boardLines(boardOf(board, "acme", "PBI-42", runId), runId);

it("the board tells what is of this run, and what was there before", () => {
  expect(lines("r-2").slice(0, 2)).toEqual([
    "increment INC-1 of sprint S-7: evidence of this run (agent-run)",
    "PBI-42 is done: by this run, at L and by 1 earlier run",
  ]);
});

it("the board tells an impediment with the lines that are not met", () => {
  expect(lines("r-3")).toEqual([
    "PBI-42 is done: by 2 earlier runs",
    "impediment IMP-1, raised by this run: verdict_failed, seen 2 times",
    "  ✗ tests-passed: missing: 0 of 1; remedy: Test.",
  ]);
});

it("the board never shows what is provisional as held", () => {
  expect(lines("r-4").at(-1)).toBe("provisional, neither confirmed nor cancelled: RecordItemDone");
});

it("the board of an item that nobody worked on is empty", () => {
  expect(boardLines(boardOf(board, "acme", "PBI-1", "r-9"), "r-9")).toEqual(["nothing"]);
});
