import type { MethodGate } from "../../definitions/completion-gate.ts";
import { outcomesOfKind } from "../../definitions/profile-rules.ts";
import type { EvidenceJson } from "../../gen/automation/v1/evidence_pb.ts";
import type { VerdictJson, VerdictLineJson } from "../../gen/automation/v1/verdict_pb.ts";
import type { RequirementJson } from "../../gen/governance/v1/profile_pb.ts";
import { acceptUntestedBase } from "../../work/examine/tests-kept-line.ts";
import { metLine, missingLine } from "../../work/verdict-line.ts";

/**
 * Judges evidence by a gate, requirement by requirement. Missing evidence never passes, and a gate without requirements does not pass either.
 * @param lines - judged before, such as the exit gate; each must be met whatever the gate requires
 */
export function judgeEvidence(
  gate: MethodGate,
  evidence: readonly EvidenceJson[],
  lines: readonly VerdictLineJson[] = [],
): VerdictJson {
  const asked = (gate.requirements ?? []).map((requirement) => judgeRequirement(requirement, evidence));
  const own = gate.acceptsUntestedBase === true ? lines.map(acceptUntestedBase) : lines;
  const all = [...asked, ...own];
  const passed = asked.length > 0 && all.every((line) => line.state === "LINE_STATE_MET");
  return { gate: gate.id, passed, level: passed ? levelOf(gate) : "", lines: all };
}

function judgeRequirement(requirement: RequirementJson, evidence: readonly EvidenceJson[]): VerdictLineJson {
  const { id = "", kind = "", vantage = "", remedy = "" } = requirement;
  const outcome = requirement.outcome || outcomesOfKind.get(kind)?.[0] || "";
  const needed = Math.max(1, requirement.minCount ?? 1);
  const ofKind = evidence.filter((each) => each.kind === kind);
  const found = ofKind.filter((each) => vantage === "" || each.vantage === vantage);
  const other = outcome === "" ? undefined : found.find((each) => each.outcome !== outcome);
  const wanted = [kind, outcome, vantage].filter((word) => word !== "").join(" ");
  const evidenceIds = found.map((each) => each.id ?? "");
  if (other !== undefined) {
    const why = other.why === undefined ? "" : `: ${other.why}`;
    const detail = `${kind} states ${other.outcome}, ${outcome} is required${why}`;
    return { requirementId: id, state: "LINE_STATE_FAILED", detail, remedy, evidenceIds };
  }
  const counted = `${found.length} of ${needed} ${wanted}`;
  if (found.length < needed) {
    const uncounted = ofKind.length - found.length;
    const detail = uncounted === 0 ? counted : `${counted}; ${uncounted} of another vantage`;
    return missingLine(id, detail, remedy);
  }
  return { ...metLine(id, counted), evidenceIds };
}

/** @returns for example `SCRUM_DEFINITION_OF_DONE` */
function levelOf({ method, id }: MethodGate): string {
  return `${method}_${id}`.toUpperCase();
}
