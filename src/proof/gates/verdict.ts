import type { MethodGate } from "../../definitions/completion-gate.ts";
import { outcomesOfKind } from "../../definitions/evidence-kinds.ts";
import type { VerdictJson, VerdictLineJson } from "../../gen/automation/v1/verdict_pb.ts";
import type { RequirementJson } from "../../gen/governance/v1/profile_pb.ts";
import { shownText } from "../../text/strangers-text.ts";
import { acceptUntestedBase } from "../../work/examine/tests-kept-line.ts";
import type { Evidence } from "../../work/findings.ts";

/**
 * Judges evidence by a gate, requirement by requirement. Absence never passes, and a gate that asks for nothing does not pass either.
 * A line names no digests yet: the run's own statement holds the digest of the log that holds this verdict, so it can't be named in it.
 * @param lines - what was judged already and no profile can leave out, such as the exit gate: each must be met too
 */
export function judge(
  gate: MethodGate,
  evidence: readonly Evidence[],
  lines: readonly VerdictLineJson[] = [],
): VerdictJson {
  const asked = (gate.requirements ?? []).map((requirement) => judgeLine(requirement, evidence));
  const own = gate.acceptsUntestedBase === true ? lines.map(acceptUntestedBase) : lines;
  const all = [...asked, ...own];
  const passed = asked.length > 0 && all.every((line) => line.state === "LINE_STATE_MET");
  return { gate: gate.id, passed, level: passed ? levelOf(gate) : "", lines: all };
}

function judgeLine(requirement: RequirementJson, evidence: readonly Evidence[]): VerdictLineJson {
  const { id = "", kind = "", vantage = "", remedy = "" } = requirement;
  const outcome = requirement.outcome || outcomesOfKind.get(kind)?.[0] || "";
  const needed = Math.max(1, requirement.minCount ?? 1);
  const ofKind = evidence.filter((each) => each.kind === kind);
  const found = ofKind.filter((each) => vantage === "" || each.vantage === vantage);
  const other = outcome === "" ? undefined : found.find((each) => each.outcome !== outcome);
  const wanted = [kind, outcome, vantage].filter((word) => word !== "").join(" ");
  const uncounted = ofKind.length - found.length;
  const line = { requirementId: id, remedy };
  if (other !== undefined) {
    const why = other.why === undefined ? "" : `: ${other.why}`;
    const detail = `${kind} states ${other.outcome}, ${outcome} is required${why}`;
    return { ...line, state: "LINE_STATE_FAILED", detail };
  }
  if (found.length < needed)
    return {
      ...line,
      state: "LINE_STATE_MISSING",
      detail: `${found.length} of ${needed} ${wanted}${uncounted === 0 ? "" : `; ${uncounted} of another vantage`}`,
    };
  return { requirementId: id, state: "LINE_STATE_MET", detail: `${found.length} of ${needed} ${wanted}` };
}

/** @returns for example `SCRUM_DEFINITION_OF_DONE` */
function levelOf({ method, id }: MethodGate): string {
  return `${method}_${id}`.toUpperCase();
}

/** Says which statements were counted for the lines about them, met or failed. @param statements - what exists */
export function citeEvidence(
  verdict: VerdictJson,
  gate: MethodGate,
  statements: readonly (Pick<Evidence, "kind" | "vantage"> & { readonly sha256: string })[],
): VerdictJson {
  const asked = new Map((gate.requirements ?? []).map((requirement) => [requirement.id, requirement]));
  const lines = (verdict.lines ?? []).map((line) => {
    const { kind, vantage = "" } = asked.get(line.requirementId) ?? {};
    const counted = statements
      .filter((each) => each.kind === kind && (vantage === "" || each.vantage === vantage))
      .map((each) => each.sha256);
    return line.state !== "LINE_STATE_MISSING" && counted.length > 0 ? { ...line, evidenceSha256: counted } : line;
  });
  return { ...verdict, lines };
}

/** What a run's work was found to prove, without the run itself. */
interface Found {
  readonly evidence: readonly Evidence[];
  readonly lines: readonly VerdictLineJson[];
}

interface End {
  readonly outcome: string;
  /** Stable code. */
  readonly cause: string;
  readonly reason: string;
}

const vantage = "worker-observed";
const longestWhy = 500;
/** Of an end that no verdict passed for. */
const verdictFailed = "verdict_failed";

/** The verdict that decides a run's end: judged as if it were COMPLETED, which it will be when this passes, and FAILED when it does not. */
export function decideVerdict(gate: MethodGate, found: Found): VerdictJson {
  const completed = { kind: "agent-run", outcome: "COMPLETED", vantage };
  const verdict = judge(gate, [completed, ...found.evidence], found.lines);
  if (verdict.passed === true) return verdict;
  return verdictOfEnd(gate, { outcome: "FAILED", cause: verdictFailed, reason: "" }, found);
}

/**
 * The verdict of a run that did not complete; it never passes. The gate is judged by what the run really became and left behind. Last come the lines about the run itself: one says that it did not
 * complete, the profile's own or, where it has none, `run-completed`.
 */
export function verdictOfEnd(gate: MethodGate, end: End, found: Found): VerdictJson {
  const { outcome, cause, reason } = end;
  const why = cause === verdictFailed ? "the verdict did not pass" : shownText(reason, longestWhy) || cause;
  const run = { kind: "agent-run", outcome, vantage, why };
  const { lines = [] } = judge(gate, [run, ...found.evidence], found.lines);
  const ofRun = new Set(gate.requirements?.filter(({ kind }) => kind === "agent-run").map(({ id }) => id));
  const [about, others] = [true, false].map((is) =>
    lines.filter(({ requirementId }) => ofRun.has(requirementId) === is),
  );
  const isTold = about?.some(({ state }) => state !== "LINE_STATE_MET") === true;
  const ended: VerdictLineJson = {
    requirementId: "run-completed",
    state: "LINE_STATE_FAILED",
    detail: `the run ended ${outcome}${why === "" ? "" : `: ${why}`}`,
    remedy: "Resolve the reason and ask for a new run.",
  };
  return { gate: gate.id, passed: false, level: "", lines: [...(others ?? []), ...(isTold ? (about ?? []) : [ended])] };
}
