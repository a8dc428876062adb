import type { EffectivePolicyJson } from "../../gen/automation/v1/policy_pb.ts";
import type { VerdictLineJson } from "../../gen/automation/v1/verdict_pb.ts";
import type { WorkFindingsJson } from "../../gen/automation/v1/work_findings_pb.ts";
import type { RunRow } from "../../runs/run-store.ts";
import type { Evidence } from "../evidence.ts";
import { evidenceOf } from "../evidence.ts";
import type { ExaminedWork, ReportedWork } from "../work-report-store.ts";
import { evaluateWork } from "./evaluate-work.ts";
import { lineOf } from "./exit-gate/check-patch.ts";

/**
 * What is found about a run's work: whether its steps were done, and what its objects prove.
 * @param read - gives an object of the uploads by its sha256, empty when it is not there
 */
export async function examineWork(
  work: ReportedWork,
  policy: EffectivePolicyJson,
  read: (sha256: string) => Promise<Uint8Array>,
): Promise<WorkFindingsJson> {
  const findings = await evaluateWork(work, policy, read);
  return { ...findings, lines: [stepsDone(work), ...(findings.lines ?? [])] };
}

/** What an end of a run is judged by: nothing where no work was to be done; where none was reported, that nothing is proven. */
export async function findingsOf(
  { pins }: Pick<RunRow, "pins">,
  work: ExaminedWork | undefined,
): Promise<{ readonly evidence: readonly Evidence[]; readonly lines: readonly VerdictLineJson[] }> {
  if (pins === null) return { evidence: [], lines: [] };
  const found = work?.findings ?? (await examineWork({ report: {}, uploads: [] }, {}, async () => new Uint8Array()));
  return { evidence: evidenceOf(found), lines: found.lines ?? [] };
}

/**
 * What is found about work that could not be examined: a line that fails for it, and every test report as one that was not read.
 * @param fault - for people: `it takes more than …`
 */
export function unexaminable(work: ReportedWork, fault: string): WorkFindingsJson {
  const line = lineOf("work-examined", [fault], {
    met: "",
    remedy:
      "Make what the run leaves behind smaller or simpler: fewer changed files, no large binary files, shorter test reports; then ask for a new run.",
  });
  const detail = `the report was not read: the work can't be examined (${fault})`;
  const tests = (work.report.tests ?? []).map((run) => ({ run, outcome: "FAILED", detail }));
  return { evidence: [], lines: [stepsDone(work), line], tests };
}

function stepsDone({ report: { outcome, cause = "", reason = "" } }: ReportedWork) {
  const why = outcome === undefined ? "no work was reported" : [cause, reason].filter((part) => part !== "").join(": ");
  return lineOf("steps-done", outcome === "WORK_OUTCOME_DONE" ? [] : [why], {
    met: "every step of the plan was done",
    remedy: "See the log of the step that is named here; resolve what stopped it and ask for a new run.",
  });
}
