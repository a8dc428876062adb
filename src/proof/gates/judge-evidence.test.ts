import { describe, expect, it } from "vitest";
import type { MethodGate } from "../../definitions/completion-gate.ts";
import type { EvidenceJson } from "../../gen/automation/v1/evidence_pb.ts";
import type { RequirementJson } from "../../gen/governance/v1/profile_pb.ts";
import { judgeEvidence } from "./judge-evidence.ts";

const vantage = "worker-observed";
const passed: EvidenceJson = { id: "test-result/unit", kind: "test-result", outcome: "PASSED", vantage };
const completed: EvidenceJson = { id: "agent-run", kind: "agent-run", outcome: "COMPLETED", vantage };
const gateOf = (...requirements: RequirementJson[]): MethodGate => ({
  method: "scrum",
  id: "definition_of_done",
  requirements,
});
const ran: RequirementJson = { id: "ran", kind: "agent-run", outcome: "COMPLETED", remedy: "Run it again." };
const tested: RequirementJson = { id: "tested", kind: "test-result", outcome: "PASSED", remedy: "Add a test step." };

describe("a gate", () => {
  it("passes at its level when every requirement is met", () => {
    expect(judgeEvidence(gateOf(ran), [completed])).toEqual({
      gate: "definition_of_done",
      passed: true,
      level: "SCRUM_DEFINITION_OF_DONE",
      lines: [
        {
          requirementId: "ran",
          state: "LINE_STATE_MET",
          detail: "1 of 1 agent-run COMPLETED",
          evidenceIds: ["agent-run"],
        },
      ],
    });
  });

  it("does not pass with one requirement missing, and says what to do", () => {
    expect(judgeEvidence(gateOf(ran, tested), [completed])).toMatchObject({
      passed: false,
      level: "",
      lines: [
        { state: "LINE_STATE_MET" },
        {
          requirementId: "tested",
          state: "LINE_STATE_MISSING",
          detail: "0 of 1 test-result PASSED",
          remedy: "Add a test step.",
        },
      ],
    });
  });

  it.each([
    [
      "evidence that states something else",
      tested,
      [{ kind: "test-result", outcome: "FAILED", vantage }],
      "LINE_STATE_FAILED",
    ],
    [
      "one failure among passes",
      tested,
      [
        { kind: "test-result", outcome: "PASSED", vantage },
        { kind: "test-result", outcome: "FAILED", vantage },
      ],
      "LINE_STATE_FAILED",
    ],
    [
      "fewer than needed",
      { ...tested, minCount: 2 },
      [{ kind: "test-result", outcome: "PASSED", vantage }],
      "LINE_STATE_MISSING",
    ],
    ["nothing", { ...tested, outcome: "" }, [], "LINE_STATE_MISSING"],
    [
      "a failure where no outcome is named",
      { ...tested, outcome: "" },
      [{ kind: "test-result", outcome: "FAILED", vantage }],
      "LINE_STATE_FAILED",
    ],
    [
      "an unchanged tree where no outcome is named",
      { id: "changed", kind: "diff", remedy: "Change something." },
      [{ kind: "diff", outcome: "UNCHANGED", vantage }],
      "LINE_STATE_FAILED",
    ],
  ] as const)("does not pass with %s", (_case, requirement, evidence, state) => {
    const verdict = judgeEvidence(gateOf(requirement), evidence);
    expect([verdict.passed, verdict.lines?.[0]?.state]).toEqual([false, state]);
  });

  it.each([
    ["the outcome that says it went well, where none is named", { ...tested, outcome: "" }, [{ ...passed }]],
    ["a count of zero as one", { ...ran, minCount: 0 }, [completed]],
    ["more than needed", { ...ran, minCount: 1 }, [completed, completed]],
  ] as const)("takes %s", (_case, requirement, evidence) => {
    expect(judgeEvidence(gateOf(requirement), evidence).passed).toBe(true);
  });

  it("counts only what was seen from the vantage that a requirement names", () => {
    const seen = gateOf({ ...tested, vantage: "worker-observed" });
    const told = { kind: "test-result", outcome: "PASSED", vantage: "agent-reported" };
    expect(judgeEvidence(seen, [told])).toMatchObject({
      passed: false,
      lines: [
        { state: "LINE_STATE_MISSING", detail: "0 of 1 test-result PASSED worker-observed; 1 of another vantage" },
      ],
    });
    expect(judgeEvidence(seen, [told, { ...told, vantage }]).passed).toBe(true);
  });

  it("cites what a line counted, met or failed, and nothing of a line that is missing", () => {
    const failed = { ...passed, id: "test-result/e2e", outcome: "FAILED" };
    const told = { ...passed, id: "told", vantage: "agent-reported" };
    const missing: RequirementJson = { id: "kept", kind: "document", minCount: 2, remedy: "Keep two." };
    const kept = { id: "document/report", kind: "document", outcome: "KEPT", vantage };
    const { lines } = judgeEvidence(gateOf(ran, { ...tested, vantage }, missing), [
      completed,
      passed,
      failed,
      told,
      kept,
    ]);
    expect(lines?.map(({ state, evidenceIds }) => [state, evidenceIds])).toEqual([
      ["LINE_STATE_MET", ["agent-run"]],
      ["LINE_STATE_FAILED", ["test-result/unit", "test-result/e2e"]],
      ["LINE_STATE_MISSING", undefined],
    ]);
  });

  it("does not pass with a line beyond the profile that is not met, and shows it", () => {
    const line = { requirementId: "exit-gate-paths", state: "LINE_STATE_FAILED", detail: "x", remedy: "y" } as const;
    const verdict = judgeEvidence(gateOf(ran), [completed], [line]);
    expect([verdict.passed, verdict.lines?.[1]]).toEqual([false, line]);
    expect(judgeEvidence(gateOf(ran), [completed], [{ ...line, state: "LINE_STATE_MET" }]).passed).toBe(true);
    expect(judgeEvidence(gateOf(), [], [{ ...line, state: "LINE_STATE_MET" }]).passed).toBe(false);
  });

  it("does not pass when it asks for nothing", () => {
    expect(judgeEvidence(gateOf(), [completed]).passed).toBe(false);
    expect(judgeEvidence({ method: "scrum", id: "empty" }, [completed]).passed).toBe(false);
  });
});
