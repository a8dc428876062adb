import type { CaptureJson, TestRunJson } from "../../gen/automation/v1/run_work_pb.ts";
import type { FoundTestsJson } from "../../gen/automation/v1/work_findings_pb.ts";
import { cutText, shownText } from "../../text/strangers-text.ts";
import type { ReportedTest } from "./test-report/reported-test.ts";
import { maxReportBytes } from "./test-report/reported-test.ts";
import type { TestReport } from "./test-report/test-report.ts";
import { readTestReport } from "./test-report/test-report.ts";
import type { Uploads } from "./uploads-of-work.ts";

/** What one run of a test step proves. */
export interface TestFinding {
  readonly run: TestRunJson;
  readonly outcome: "PASSED" | "FAILED";
  /** Absent when it can't be read. */
  readonly report?: TestReport;
  /** For people: what was counted, or why it does not pass. */
  readonly detail: string;
}

/**
 * Judges one run of a test step by its report, which is read again. It passed when its report counts, it ran on the captured tree, nothing failed, it exited with 0 and at least one test passed.
 * The worker is believed in what it alone can see: the exit code, and which tree the tests ran on.
 */
export async function judgeTests(
  run: TestRunJson,
  capture: CaptureJson | undefined,
  uploads: Uploads,
): Promise<TestFinding> {
  if ((run.reportSha256 ?? "") === "") {
    const reason = run.reason || "no reason was given";
    return { run, outcome: "FAILED", detail: `the tests left no report: ${reason}` };
  }
  const bytes =
    uploads.sizeOf(run.reportSha256) > maxReportBytes
      ? { fault: `it has ${uploads.sizeOf(run.reportSha256)} bytes; at most ${maxReportBytes} are read` }
      : await uploads.read(run.reportSha256);
  const report = "fault" in bytes ? bytes : readTestReport(run.format ?? "REPORT_FORMAT_UNSPECIFIED", bytes);
  if ("fault" in report) return { run, outcome: "FAILED", detail: `the report does not count: ${report.fault}` };
  const fault = faultOfRun(run, report, capture);
  return { run, outcome: fault === undefined ? "PASSED" : "FAILED", report, detail: fault ?? told(report) };
}

function faultOfRun(run: TestRunJson, report: TestReport, capture: CaptureJson | undefined): string | undefined {
  const { passed = 0, failed = 0, errored = 0 } = report.counts;
  if (run.gitTree === undefined || run.gitTree !== capture?.gitTree)
    return `the tests ran on tree ${run.gitTree || "unknown"}, captured was ${capture?.gitTree || "none"}`;
  if (failed + errored > 0) {
    const names = report.tests.filter(({ state }) => state === "failed" || state === "errored").map(({ name }) => name);
    const more = names.length - 5;
    const shown = names.slice(0, 5).map((name) => shownText(name, 200));
    return `${told(report)}: ${shown.join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
  }
  if (run.exitCode !== 0)
    return `the tests ended with ${run.exitCode === undefined ? "no exit code" : `exit code ${run.exitCode}`}, though their report has no failure`;
  if (passed === 0) return `no test was executed (${told(report)})`;
  return undefined;
}

function told({ counts }: TestReport): string {
  const { passed = 0, failed = 0, errored = 0, skipped = 0 } = counts;
  return `${passed} passed, ${failed} failed, ${errored} errored, ${skipped} skipped`;
}

const longestDetail = 2_000;
/** Of a list of names of tests. */
export const mostNames = 1_000;
const longestName = 300;

/** A finding as it is recorded. */
export function foundTests({ run, outcome, detail, report }: TestFinding): FoundTestsJson {
  const namesOf = (state: ReportedTest["state"]) =>
    (report?.tests ?? [])
      .filter((test) => test.state === state)
      .slice(0, mostNames)
      .map(({ name }) => cutText(name, longestName));
  return {
    run,
    outcome,
    detail: shownText(detail, longestDetail),
    ...(report === undefined ? {} : { counts: report.counts }),
    passed: namesOf("passed"),
    failed: namesOf("failed"),
    errored: namesOf("errored"),
    skipped: namesOf("skipped"),
  };
}
