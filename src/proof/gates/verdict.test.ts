import { describe, expect, it } from "vitest";
import type { MethodGate } from "../../definitions/completion-gate.ts";
import type { RequirementJson } from "../../gen/governance/v1/profile_pb.ts";
import { citeEvidence, decideVerdict, judge, verdictOfEnd } from "./verdict.ts";

const vantage = "worker-observed";
const passed = { kind: "test-result", outcome: "PASSED", vantage };
const completed = { kind: "agent-run", outcome: "COMPLETED", vantage };
const gateOf = (...requirements: RequirementJson[]): MethodGate => ({
  method: "scrum",
  id: "definition_of_done",
  requirements,
});
const ran: RequirementJson = { id: "ran", kind: "agent-run", outcome: "COMPLETED", remedy: "Run it again." };
const tested: RequirementJson = { id: "tested", kind: "test-result", outcome: "PASSED", remedy: "Add a test step." };

describe("a gate", () => {
  it("passes at its level when every requirement is met", () => {
    expect(judge(gateOf(ran), [completed])).toEqual({
      gate: "definition_of_done",
      passed: true,
      level: "SCRUM_DEFINITION_OF_DONE",
      lines: [{ requirementId: "ran", state: "LINE_STATE_MET", detail: "1 of 1 agent-run COMPLETED" }],
    });
  });

  it("does not pass with one requirement missing, and says what to do", () => {
    expect(judge(gateOf(ran, tested), [completed])).toMatchObject({
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
    const verdict = judge(gateOf(requirement), evidence);
    expect([verdict.passed, verdict.lines?.[0]?.state]).toEqual([false, state]);
  });

  it.each([
    ["the outcome that says it went well, where none is named", { ...tested, outcome: "" }, [{ ...passed }]],
    ["a count of zero as one", { ...ran, minCount: 0 }, [completed]],
    ["more than needed", { ...ran, minCount: 1 }, [completed, completed]],
  ] as const)("takes %s", (_case, requirement, evidence) => {
    expect(judge(gateOf(requirement), evidence).passed).toBe(true);
  });

  it("counts only what was seen from the vantage that a requirement names", () => {
    const seen = gateOf({ ...tested, vantage: "worker-observed" });
    const told = { kind: "test-result", outcome: "PASSED", vantage: "agent-reported" };
    expect(judge(seen, [told])).toMatchObject({
      passed: false,
      lines: [
        { state: "LINE_STATE_MISSING", detail: "0 of 1 test-result PASSED worker-observed; 1 of another vantage" },
      ],
    });
    expect(judge(seen, [told, { ...told, vantage }]).passed).toBe(true);
  });

  it("does not pass with a line beyond the profile that is not met, and shows it", () => {
    const line = { requirementId: "exit-gate-paths", state: "LINE_STATE_FAILED", detail: "x", remedy: "y" } as const;
    const verdict = judge(gateOf(ran), [completed], [line]);
    expect([verdict.passed, verdict.lines?.[1]]).toEqual([false, line]);
    expect(judge(gateOf(ran), [completed], [{ ...line, state: "LINE_STATE_MET" }]).passed).toBe(true);
    expect(judge(gateOf(), [], [{ ...line, state: "LINE_STATE_MET" }]).passed).toBe(false);
  });

  it("does not pass when it asks for nothing", () => {
    expect(judge(gateOf(), [completed]).passed).toBe(false);
    expect(judge({ method: "scrum", id: "empty" }, [completed]).passed).toBe(false);
  });
});

describe("cited evidence", () => {
  it("names the statements of the kind that a line counted, met or failed, and none for other lines", () => {
    const requirements = gateOf(ran, tested, { ...tested, id: "kept", kind: "document", outcome: "KEPT" });
    const evidence = [completed, { kind: "test-result", outcome: "FAILED", vantage }];
    const cited = citeEvidence(judge(requirements, evidence), requirements, [
      { kind: "agent-run", vantage, sha256: "a1" },
      { kind: "provenance", vantage, sha256: "b2" },
      { kind: "test-result", vantage, sha256: "c3" },
    ]);
    expect(cited.lines?.map((line) => line.evidenceSha256)).toEqual([["a1"], ["c3"], undefined]);
  });
});

const nothing = { evidence: [], lines: [] };
const gate = { requirementId: "exit-gate-paths", state: "LINE_STATE_FAILED", detail: "x", remedy: "y" } as const;

describe("the verdict that decides an end", () => {
  it("is of a run that is COMPLETED by it", () => {
    expect(decideVerdict(gateOf(ran), nothing)).toMatchObject({
      passed: true,
      lines: [{ state: "LINE_STATE_MET", detail: "1 of 1 agent-run COMPLETED" }],
    });
  });

  it("is of a run that FAILED by it, and names first what it failed on", () => {
    expect(decideVerdict(gateOf(ran, tested), nothing).lines).toMatchObject([
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
    { cause = "internal", reason = "", found = nothing as Parameters<typeof verdictOfEnd>[2] } = {},
  ) => verdictOfEnd(gateOf(...requirements), { outcome, cause, reason }, found);

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
          },
        ],
      });
    },
  );

  it.each<[string, RequirementJson[]]>([
    ["asks for no run", [tested]],
    ["would take any end", [{ ...ran, id: "run-completed", outcome: "CANCELLED" }]],
  ])("says so by a line of its own, where the profile %s", (_case, requirements) => {
    const found = { evidence: [passed], lines: [] };
    const { passed: isPassed, lines = [] } = ended(requirements, "CANCELLED", { reason: "by alice", found });
    expect(isPassed).toBe(false);
    expect(lines.filter(({ requirementId }) => requirementId === "run-completed")).toMatchObject([
      { state: "LINE_STATE_FAILED", detail: "the run ended CANCELLED: by alice" },
    ]);
  });

  it("names what the work failed before the end", () => {
    const found = { evidence: [{ kind: "test-result", outcome: "FAILED", vantage }], lines: [gate] };
    expect(ended([ran, tested], "FAILED", { cause: "gave_up", found }).lines).toMatchObject([
      { requirementId: "tested", state: "LINE_STATE_FAILED" },
      gate,
      { requirementId: "ran", detail: "agent-run states FAILED, COMPLETED is required: gave_up" },
    ]);
  });
});
