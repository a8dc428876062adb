import type { VerdictJson } from "../../gen/automation/v1/verdict_pb.ts";
import type { FoundTestsJson } from "../../gen/automation/v1/work_findings_pb.ts";
import { citeStatements } from "../gates/cite-statements.ts";
import { agentRunStatement } from "./agent-run.ts";
import { provenanceIfCompleted } from "./provenance-if-completed.ts";
import { referenceStatement } from "./reference.ts";
import type { RunEnd, Statement } from "./statement.ts";
import { testResultStatement } from "./test-result.ts";
import { verificationSummary } from "./verification-summary.ts";

/** All statements about the end of a run. */
export interface EndProof {
  readonly statements: readonly Statement[];
  /** The verification summary, which is one of them. */
  readonly summary: Statement;
  /** The verdict; its lines cite the statements. */
  readonly verdict: VerdictJson;
}

/** Writes the statements about an end: agent-run and verification summary always, one for each piece of evidence of its work, provenance if COMPLETED. */
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
  return work.flatMap(({ findings: { tests = [] } }) => tests.filter(({ run }) => run?.onBase !== true));
}

/** One if the last segment's patch was found to be the reported one, else none. */
function diffStatements(end: RunEnd): Statement[] {
  const { findings: { evidence = [] } = {}, uploads = [] } = end.work.at(-1) ?? {};
  const found = evidence.find(({ kind }) => kind === "diff");
  const { name = "", sha256 = "", mediaType = "" } = uploads.find(({ kind }) => kind === "patch") ?? {};
  if (found === undefined) return [];
  return [referenceStatement(end, { name, sha256, mediaType }, { kind: "diff", outcome: found.outcome ?? "" })];
}

function documentStatements(end: RunEnd): Statement[] {
  const documents = end.work.flatMap(({ report }) => report.documents ?? []);
  return documents.map(({ stepId, path = "", sha256 = "", mediaType = "" }) =>
    referenceStatement(
      end,
      { name: `documents/${path}`, sha256, mediaType },
      { kind: "document", outcome: "KEPT", step: stepId },
    ),
  );
}
