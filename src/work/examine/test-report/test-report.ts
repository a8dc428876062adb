import type { ReportFormatJson } from "../../../gen/automation/v1/automation_plan_pb.ts";
import type { TestCountsJson } from "../../../gen/automation/v1/run_event_pb.ts";
import { shownText } from "../../../text/strangers-text.ts";
import { readJunit } from "./junit.ts";
import { reportText } from "./report-text.ts";
import type { ReportedTest } from "./reported-test.ts";
import { maxReportBytes, ReportFault } from "./reported-test.ts";
import { withSuites } from "./stand-ins.ts";
import { readTap } from "./tap.ts";

/** What tests say of themselves, in the order of their report. */
export interface TestReport {
  readonly tests: readonly ReportedTest[];
  readonly counts: TestCountsJson;
}

/**
 * Reads a test report strictly: what contradicts itself or is cut off is a fault, never a guess.
 * A report is strangers' output: at most 4 MiB and 50,000 tests. Never throws.
 */
export function readTestReport(format: ReportFormatJson, bytes: Uint8Array): TestReport | { readonly fault: string } {
  if (bytes.byteLength > maxReportBytes)
    return { fault: `the report has ${bytes.byteLength} bytes; at most ${maxReportBytes} are read` };
  let tests: readonly ReportedTest[];
  try {
    tests = withSuites(readers[format](reportText(bytes)));
  } catch (error) {
    if (error instanceof ReportFault) return { fault: shownText(error.message, 300) };
    throw error;
  }
  const count = (state: ReportedTest["state"]) => tests.filter((test) => test.state === state).length;
  const counts = {
    passed: count("passed"),
    failed: count("failed"),
    errored: count("errored"),
    skipped: count("skipped"),
  };
  return { tests, counts };
}

const readers: Record<ReportFormatJson, (text: string) => readonly ReportedTest[]> = {
  REPORT_FORMAT_UNSPECIFIED: () => {
    throw new ReportFault("the test step names no report format");
  },
  REPORT_FORMAT_JUNIT: readJunit,
  REPORT_FORMAT_TAP: readTap,
};
