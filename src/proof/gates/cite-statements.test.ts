import { expect, it } from "vitest";
import { citeStatements } from "./cite-statements.ts";

it("adds to each line the statements of exactly the evidence that it counted", () => {
  const lines = [
    { requirementId: "ran", evidenceIds: ["agent-run"] },
    { requirementId: "tested", evidenceIds: ["test-result/unit", "test-result/e2e"] },
    { requirementId: "kept" },
  ];
  const cited = citeStatements({ passed: false, lines }, [
    { name: "agent-run", sha256: "a1" },
    { name: "provenance", sha256: "b2" },
    { name: "test-result/unit", sha256: "c3" },
    { name: "test-result/e2e", sha256: "d4" },
    { name: "test-result/other", sha256: "e5" },
  ]);
  expect(cited).toEqual({
    passed: false,
    lines: [
      { ...lines[0], evidenceSha256: ["a1"] },
      { ...lines[1], evidenceSha256: ["c3", "d4"] },
      { requirementId: "kept" },
    ],
  });
});
