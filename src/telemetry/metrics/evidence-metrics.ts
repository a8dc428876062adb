import type { VerdictLineJson } from "../../gen/automation/v1/verdict_pb.ts";
import { counter } from "../instruments.ts";

const judged = counter({
  name: "automation.evidence.judged",
  unit: "{line}",
  description: "Requirements of ended runs, by what their evidence was found to be: met, missing or failed.",
  labels: ["profile", "requirement", "state"],
  processes: ["api"],
});

const impediments = counter({
  name: "automation.impediments",
  unit: "{occurrence}",
  description:
    "Ends that are an impediment of their work item, by cause; occurrence is first, or again for a known one.",
  labels: ["method", "reason", "occurrence"],
  processes: ["api"],
});

/** Once a run, when its verdict is durable. */
export function evidenceJudged(profile: string, lines: readonly VerdictLineJson[]): void {
  for (const { requirementId: requirement = "", state = "" } of lines)
    judged({ profile, requirement, state: state.replace("LINE_STATE_", "").toLowerCase() });
}

/** @param occurrences - of this cause on this work item, with this one */
export const impedimentRaised = (method: string, reason: string, occurrences: number): void =>
  impediments({ method, reason, occurrence: occurrences === 1 ? "first" : "again" });
