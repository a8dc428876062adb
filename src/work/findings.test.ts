import { expect, it } from "vitest";
import { findingsOf } from "./findings.ts";

const pins = { segments: [{ segment: 1 }, { segment: 2 }] };
const work = (segment: number) => ({
  report: { segment },
  uploads: [],
  findings: {
    evidence: [{ kind: "document", outcome: "KEPT", vantage: `of ${segment}` }],
    lines: [{ requirementId: `of ${segment}`, state: "LINE_STATE_MET" as const }],
  },
});
const told = ({ evidence = [], lines = [] }: ReturnType<typeof findingsOf>) => [
  ...evidence.map(({ vantage }) => vantage),
  ...lines.map(({ requirementId, state }) => `${requirementId} ${state}`),
];

it("judges an end by the findings of every segment, in their order", () => {
  expect(told(findingsOf({ pins }, [work(1), work(2)]))).toEqual([
    "of 1",
    "of 2",
    "of 1 LINE_STATE_MET",
    "of 2 LINE_STATE_MET",
  ]);
});

it("finds nothing proven of a segment that was not reported, and nothing to prove of a plan without steps", () => {
  expect(told(findingsOf({ pins }, [work(1)]))).toEqual([
    "of 1",
    "of 1 LINE_STATE_MET",
    "steps-done LINE_STATE_FAILED",
    "capture-complete LINE_STATE_FAILED",
  ]);
  expect(told(findingsOf({ pins: null }, []))).toEqual([]);
});
