import { describe, expect, it } from "vitest";
import type { StepJson } from "../gen/automation/v1/automation_plan_pb.ts";
import type { TestRunJson, UploadJson, WorkReportJson } from "../gen/automation/v1/run_work_pb.ts";
import { assertReport } from "./work-report-rules.ts";

const id = (digit: string) => digit.repeat(40);
const sha = (digit: string) => digit.repeat(64);
const format = "REPORT_FORMAT_JUNIT" as const;
const kept = { path: "docs/a.md", mediaType: "text/markdown", typeKey: "ameide:document" };
const steps: StepJson[] = [
  { id: "fix", command: { argv: ["make"] } },
  { id: "unit", test: { argv: ["node"], reportPath: "r.xml", format } },
  { id: "note", document: kept },
];
const run = {
  baseCommit: id("b"),
  pins: { repository: { id: "shop", ref: "main" }, isolation: "ISOLATION_CLASS_UID" as const },
};
const uploads: UploadJson[] = [
  { name: "changes.patch", kind: "patch", sha256: sha("1") },
  { name: "tests/unit.xml", kind: "report", sha256: sha("2") },
  { name: "documents/docs/a.md", kind: "document", sha256: sha("3") },
];
const test: TestRunJson = { stepId: "unit", argv: ["node"], format, gitTree: id("d"), reportSha256: sha("2") };
const capture = {
  repositoryId: "shop",
  ref: "main",
  baseCommit: id("b"),
  gitCommit: id("c"),
  gitTree: id("d"),
  patchSha256: sha("1"),
};
const done: WorkReportJson = {
  segment: 1,
  attempt: 1,
  outcome: "WORK_OUTCOME_DONE",
  steps: steps.map((step) => ({ stepId: step.id, state: "STEP_STATE_DONE" })),
  capture,
  tests: [test, { ...test, onBase: true }],
  documents: [{ stepId: "note", ...kept, sha256: sha("3") }],
  sandbox: { isolation: "ISOLATION_CLASS_UID" },
};
const refusal = (change: Partial<WorkReportJson>) => () => assertReport({ ...done, ...change }, uploads, run, steps);

describe("a report of work", () => {
  it("is taken when it tells of every step of the plan", () => {
    expect(refusal({})).not.toThrow();
  });

  it.each<[string, Partial<WorkReportJson>, RegExp]>([
    ["leaves a test out", { tests: [] }, /report\.tests is "unit"; it must be told of every test step/],
    ["has tests of the base alone", { tests: [{ ...test, onBase: true }] }, /report\.tests is "unit"/],
    ["leaves a document out", { documents: [] }, /report\.documents is "note"; it must be told of every document/],
    ["leaves a step out", { steps: done.steps?.slice(1) }, /report\.steps is "fix"; it must be DONE/],
    ["tells of another plan's step", { tests: [{ ...test, stepId: "other" }] }, /tests\.step_id is "other"/],
    [
      "ran another program",
      { tests: [{ ...test, argv: ["true"] }] },
      /tests\.argv is "true"; it must be what step unit/,
    ],
    [
      "has another base",
      { capture: { ...capture, baseCommit: id("e") } },
      /base_commit is "e{40}"; it must be the run's/,
    ],
    ["names a patch that was not sent", { capture: { ...capture, patchSha256: sha("9") } }, /patch_sha256 is "9{64}"/],
    ["was done in another class", { sandbox: { isolation: "ISOLATION_CLASS_USERNS" } }, /sandbox\.isolation/],
    ["counts no attempt", { attempt: 0 }, /report\.attempt is 0; it must count from 1/],
    ["has no capture", { capture: undefined }, /report\.capture/],
  ])("of DONE work that %s is refused with field, value, rule and remedy", (_case, change, said) => {
    expect(refusal(change)).toThrow(said);
    expect(refusal(change)).toThrow(/have the operator look at the worker/);
  });

  it("of FAILED work may leave out what did not come about", () => {
    const cause = "gave_up";
    expect(refusal({ outcome: "WORK_OUTCOME_FAILED", cause, steps: [], tests: [], documents: [] })).not.toThrow();
  });
});
