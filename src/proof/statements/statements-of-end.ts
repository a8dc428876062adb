import type { VerdictJson } from "../../gen/automation/v1/verdict_pb.ts";
import type { FoundTestsJson } from "../../gen/automation/v1/work_findings_pb.ts";
import { citeStatements } from "../gates/cite-statements.ts";
import { agentRunStatement } from "./agent-run.ts";
import { provenanceIfCompleted } from "./provenance-if-completed.ts";
import { referenceStatement } from "./reference.ts";
import type { RunEnd, Statement } from "./statement.ts";
import { testResultStatement } from "./test-result.ts";
import { verificationSummary } from "./verification-summary.ts";

/** Everything that is stated about the end of a run. */
export interface EndProof {
  readonly statements: readonly Statement[];
  /** The verification summary among them. */
  readonly summary: Statement;
  /** The verdict, its lines naming the statements that they counted. */
  readonly verdict: VerdictJson;
}

/** Writes the statements of an end: agent-run and verification summary always, one for each piece of evidence of its work, provenance for COMPLETED only. */
export function statementsOfEnd(end: RunEnd, judged: VerdictJson): EndProof {
  const provenance = provenanceIfCompleted(end);
  const evidence = [
    agentRunStatement(end),
    ...(provenance === undefined ? [] : [provenance]),
    ...testsOnCapture(end.work).map((tests) => testResultStatement(end, tests)),
    ...diffStatements(end),
    ...documentStatements(end),
  ];
  const verdict = citeStatements(judged, evidence);
  const summary = verificationSummary(end, verdict, evidence);
  return { statements: [...evidence, summary], summary, verdict };
}

function testsOnCapture(work: RunEnd["work"]): readonly FoundTestsJson[] {
  return (work?.findings.tests ?? []).filter(({ run }) => run?.onBase !== true);
}

/** One, when the patch was found to be what was reported. */
function diffStatements(end: RunEnd): Statement[] {
  const { findings: { evidence = [] } = {}, uploads = [] } = end.work ?? {};
  const found = evidence.find(({ kind }) => kind === "diff");
  const { name = "", sha256 = "", mediaType = "" } = uploads.find(({ kind }) => kind === "patch") ?? {};
  if (found === undefined) return [];
  return [referenceStatement(end, { name, sha256, mediaType }, { kind: "diff", outcome: found.outcome ?? "" })];
}

function documentStatements(end: RunEnd): Statement[] {
  const { documents = [] } = end.work?.report ?? {};
  return documents.map(({ stepId, path = "", sha256 = "", mediaType = "" }) =>
    referenceStatement(
      end,
      { name: `documents/${path}`, sha256, mediaType },
      { kind: "document", outcome: "KEPT", step: stepId },
    ),
  );
}
