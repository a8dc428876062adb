import type { MethodGate } from "../../definitions/completion-gate.ts";
import type { EvidenceJson } from "../../gen/automation/v1/evidence_pb.ts";
import type { VerdictJson, VerdictLineJson } from "../../gen/automation/v1/verdict_pb.ts";
import type { WorkFindingsJson } from "../../gen/automation/v1/work_findings_pb.ts";
import type { RunRow } from "../../runs/run-store.ts";
import { longestShownReason, shownText } from "../../text/strangers-text.ts";
import { builderIdOf, evidenceIdOf } from "../../work/run-evidence.ts";
import { subjectOf } from "../statements/run-subject.ts";
import { judgeEvidence } from "./judge-evidence.ts";

/** A run to be judged. */
export interface JudgedRun {
  readonly gate: MethodGate;
  readonly run: Pick<RunRow, "tenant" | "runId" | "method" | "pins" | "references">;
  /** `proof.baseUri` of the operator. */
  readonly baseUri: string;
  /** What its work was found to prove. */
  readonly findings: WorkFindingsJson;
  /** UTC. */
  readonly at: Date;
}

interface End {
  readonly outcome: string;
  /** Stable code. */
  readonly cause: string;
  readonly reason: string;
}

/** Cause of the end of a run whose verdict did not pass. */
const verdictFailed = "verdict_failed";

/** Decides whether a run may complete: it is judged as if it were COMPLETED. When that does not pass it will be FAILED, and the verdict is that of the failed run. */
export function decideVerdict(judged: JudgedRun): VerdictJson {
  const { gate, findings } = judged;
  const evidence = [evidenceOfRun(judged, "COMPLETED"), ...(findings.evidence ?? [])];
  const verdict = judgeEvidence(gate, evidence, findings.lines);
  return verdict.passed === true
    ? verdict
    : verdictOfEnd(judged, { outcome: "FAILED", cause: verdictFailed, reason: "" });
}

/**
 * The verdict of a run that did not complete; it never passes. The gate is judged by what the run really became and left behind. The lines about the run itself come last: the profile's own or,
 * when those are met or absent, `run-completed`, which says that it did not complete.
 */
export function verdictOfEnd(judged: JudgedRun, { outcome, cause, reason }: End): VerdictJson {
  const { gate, findings } = judged;
  const why = cause === verdictFailed ? "the verdict did not pass" : shownText(reason, longestShownReason) || cause;
  const evidence = [evidenceOfRun(judged, outcome, why), ...(findings.evidence ?? [])];
  const { lines = [] } = judgeEvidence(gate, evidence, findings.lines);
  const idsAboutRun = new Set(gate.requirements?.filter(({ kind }) => kind === "agent-run").map(({ id }) => id));
  const aboutRun = lines.filter(({ requirementId }) => idsAboutRun.has(requirementId));
  const others = lines.filter(({ requirementId }) => !idsAboutRun.has(requirementId));
  const isTold = aboutRun.some(({ state }) => state !== "LINE_STATE_MET");
  const ended: VerdictLineJson = {
    requirementId: "run-completed",
    state: "LINE_STATE_FAILED",
    detail: `the run ended ${outcome}${why === "" ? "" : `: ${why}`}`,
    remedy: "Resolve the reason and ask for a new run.",
    evidenceIds: [evidenceIdOf("agent-run")],
  };
  return { gate: gate.id, passed: false, level: "", lines: [...others, ...(isTold ? aboutRun : [ended])] };
}

function evidenceOfRun({ run, baseUri, at }: JudgedRun, outcome: string, why?: string): EvidenceJson {
  return {
    id: evidenceIdOf("agent-run"),
    kind: "agent-run",
    outcome,
    vantage: "worker-observed",
    subject: { method: run.method, ...subjectOf(run) },
    issuer: builderIdOf(baseUri, run),
    at: at.toISOString(),
    ...(why === undefined ? {} : { why }),
  };
}
