import type { EvidenceJson } from "../../gen/automation/v1/evidence_pb.ts";
import type { EffectivePolicyJson } from "../../gen/automation/v1/policy_pb.ts";
import type { CaptureJson } from "../../gen/automation/v1/run_work_pb.ts";
import type { VerdictLineJson } from "../../gen/automation/v1/verdict_pb.ts";
import type { WorkFindingsJson } from "../../gen/automation/v1/work_findings_pb.ts";
import { longestShownReason, shownText } from "../../text/strangers-text.ts";
import { evidenceIdOf } from "../run-evidence.ts";
import { failedLine, lineOf } from "../verdict-line.ts";
import type { ReportedWork } from "../work-report-store.ts";
import type { PatchChange } from "./exit-gate/patch-change.ts";
import { judgeCapture, nothingCaptured, treeOf } from "./judge-capture.ts";
import { lineOfKept } from "./tests-kept-line.ts";
import type { TestFinding } from "./tests-passed.ts";
import { foundTests, judgeTests } from "./tests-passed.ts";
import { uploadsOf } from "./uploads-of-work.ts";

const vantage = "worker-observed";

/**
 * Judges reported work by what it uploaded, and by nothing that it only says: every object is hashed again, test reports are read again, and what changed is taken from the patch.
 * @param read - gives an object of the uploads by its sha256, empty when it is not there; rejects when it can't tell, and so does this
 */
export async function examineWork(
  work: ReportedWork,
  policy: EffectivePolicyJson,
  read: (sha256: string) => Promise<Uint8Array>,
): Promise<Required<WorkFindingsJson>> {
  const uploads = uploadsOf(work.uploads, read);
  const { capture, tests = [], documents = [], baseLinks = [] } = work.report;
  const links = baseLinks.map(({ path = "", target = "" }) => ({ path, target }));
  const captured = capture === undefined ? nothingCaptured : await judgeCapture(capture, links, policy, uploads);
  // One after the other: each may be as large as a report may be.
  const judged: TestFinding[] = [];
  for (const run of tests) judged.push(await judgeTests(run, capture, uploads));
  return {
    evidence: [
      ...judged.filter(({ run }) => run.onBase !== true).map((finding) => evidenceOfTests(finding, capture)),
      ...captured.evidence,
      ...documents
        .filter(({ sha256 }) => uploads.has(sha256))
        .map(({ stepId }) => ({
          id: evidenceIdOf("document", stepId),
          kind: "document",
          outcome: "KEPT",
          vantage,
          ...(capture === undefined ? {} : { tree: treeOf(capture) }),
        })),
    ],
    lines: [stepsDone(work), ...captured.lines, ...linesOfTests(judged, captured.changes)],
    tests: judged.map(foundTests),
  };
}

/** What is found where steps were to be done and no work was reported: that nothing is proven. */
export const nothingReported: Required<WorkFindingsJson> = {
  evidence: [],
  lines: [stepsDone({ report: {} }), ...nothingCaptured.lines],
  tests: [],
};

/**
 * What is found about work that could not be examined: a line that fails for it, and every test report as one that was not read.
 * @param fault - for people: `it takes more than …`
 */
export function unexaminable(work: ReportedWork, fault: string): WorkFindingsJson {
  const line = failedLine(
    "work-examined",
    [fault],
    "Make what the run leaves behind smaller or simpler: fewer changed files, no large binary files, shorter test reports; then ask for a new run.",
  );
  const detail = `the report was not read: the work can't be examined (${fault})`;
  const tests = (work.report.tests ?? []).map((run) => ({ run, outcome: "FAILED", detail }));
  return { evidence: [], lines: [stepsDone(work), line], tests };
}

function stepsDone({ report: { outcome, cause = "", reason = "" } }: Pick<ReportedWork, "report">): VerdictLineJson {
  const why = outcome === undefined ? "no work was reported" : [cause, reason].filter((part) => part !== "").join(": ");
  return lineOf("steps-done", outcome === "WORK_OUTCOME_DONE" ? [] : [why], {
    met: "every step of the plan was done",
    remedy: "See the log of the step that is named here; resolve what stopped it and ask for a new run.",
  });
}

/** It is about the tree that the tests ran on: when that is not the captured one, its commit is not known. */
function evidenceOfTests({ run, outcome, detail }: TestFinding, capture: CaptureJson | undefined): EvidenceJson {
  const { stepId, gitTree } = run;
  const isCaptured = capture !== undefined && capture.gitTree === gitTree;
  return {
    id: evidenceIdOf("test-result", stepId),
    kind: "test-result",
    outcome,
    vantage,
    tree: isCaptured ? treeOf(capture) : { gitTree },
    ...(outcome === "PASSED" ? {} : { why: shownText(detail, longestShownReason) }),
  };
}

/** One for each test step: a guard that has nothing to look at has its line, too. */
function linesOfTests(judged: readonly TestFinding[], changes: readonly PatchChange[]): VerdictLineJson[] {
  return [...Map.groupBy(judged, ({ run }) => run.stepId ?? "")].map(([stepId, runs]) =>
    lineOfKept(stepId, {
      base: runs.find(({ run }) => run.onBase === true),
      capture: runs.find(({ run }) => run.onBase !== true),
      changes,
    }),
  );
}
