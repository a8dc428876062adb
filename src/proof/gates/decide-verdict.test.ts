import { describe, expect, it } from "vitest";
import type { EvidenceJson } from "../../gen/automation/v1/evidence_pb.ts";
import type { WorkFindingsJson } from "../../gen/automation/v1/work_findings_pb.ts";
import type { RequirementJson } from "../../gen/governance/v1/profile_pb.ts";
import type { JudgedRun } from "./decide-verdict.ts";
import { decideVerdict, verdictOfEnd } from "./decide-verdict.ts";

const vantage = "worker-observed";
const passed: EvidenceJson = { id: "test-result/unit", kind: "test-result", outcome: "PASSED", vantage };
const ran: RequirementJson = { id: "ran", kind: "agent-run", outcome: "COMPLETED", remedy: "Run it again." };
const tested: RequirementJson = { id: "tested", kind: "test-result", outcome: "PASSED", remedy: "Add a test step." };
const judged = (requirements: RequirementJson[], findings: WorkFindingsJson = {}): JudgedRun => ({
  gate: { method: "scrum", id: "definition_of_done", requirements },
  run: { tenant: "acme", runId: "r-1", method: "scrum", pins: null, references: {} },
  baseUri: "https://proof.example",
  findings,
  at: new Date(0),
});
const exitGate = { requirementId: "exit-gate-paths", state: "LINE_STATE_FAILED", detail: "x", remedy: "y" } as const;

describe("the verdict that decides an end", () => {
  it("is of a run that is COMPLETED by it", () => {
    expect(decideVerdict(judged([ran]))).toMatchObject({
      passed: true,
      lines: [{ state: "LINE_STATE_MET", detail: "1 of 1 agent-run COMPLETED" }],
    });
  });

  it("is of a run that FAILED by it, and names first what it failed on", () => {
    expect(decideVerdict(judged([ran, tested])).lines).toMatchObject([
      { requirementId: "tested", state: "LINE_STATE_MISSING" },
      {
        requirementId: "ran",
        state: "LINE_STATE_FAILED",
        detail: "agent-run states FAILED, COMPLETED is required: the verdict did not pass",
      },
    ]);
  });
});

describe("the verdict of another end", () => {
  const ended = (
    requirements: RequirementJson[],
    outcome: string,
    { cause = "internal", reason = "", found = {} as WorkFindingsJson } = {},
  ) => verdictOfEnd(judged(requirements, found), { outcome, cause, reason });

  it.each(["FAILED", "CANCELLED", "TIMED_OUT"])(
    "says once that the run is %s, by the profile's own line",
    (outcome) => {
      expect(ended([{ ...ran, id: "run-completed" }], outcome, { reason: "by alice" })).toEqual({
        gate: "definition_of_done",
        passed: false,
        level: "",
        lines: [
          {
            requirementId: "run-completed",
            state: "LINE_STATE_FAILED",
            detail: `agent-run states ${outcome}, COMPLETED is required: by alice`,
            remedy: "Run it again.",
            evidenceIds: ["agent-run"],
          },
        ],
      });
    },
  );

  it.each<[string, RequirementJson[]]>([
    ["asks for no run", [tested]],
    ["would take any end", [{ ...ran, id: "run-completed", outcome: "CANCELLED" }]],
  ])("says so by a line of its own, where the profile %s", (_case, requirements) => {
    const found = { evidence: [passed] };
    const { passed: isPassed, lines = [] } = ended(requirements, "CANCELLED", { reason: "by alice", found });
    expect(isPassed).toBe(false);
    expect(lines.filter(({ requirementId }) => requirementId === "run-completed")).toMatchObject([
      { state: "LINE_STATE_FAILED", detail: "the run ended CANCELLED: by alice", evidenceIds: ["agent-run"] },
    ]);
  });

  it("names what the work failed before the end", () => {
    const found = { evidence: [{ ...passed, outcome: "FAILED" }], lines: [exitGate] };
    expect(ended([ran, tested], "FAILED", { cause: "gave_up", found }).lines).toMatchObject([
      { requirementId: "tested", state: "LINE_STATE_FAILED" },
      exitGate,
      { requirementId: "ran", detail: "agent-run states FAILED, COMPLETED is required: gave_up" },
    ]);
  });
});
