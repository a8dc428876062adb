import type { ReportFormatJson } from "../../gen/automation/v1/automation_plan_pb.ts";
import type { TestCountsJson } from "../../gen/automation/v1/run_event_pb.ts";
import { shownText } from "../../text/strangers-text.ts";
import { readJunit } from "./junit.ts";
import type { ReadTests, ReportedTest } from "./reported-test.ts";
import { maxReportBytes } from "./reported-test.ts";
import { readTap } from "./tap.ts";

/** What tests say of themselves, in the order of their report. */
export interface TestReport {
  readonly tests: readonly ReportedTest[];
  readonly counts: TestCountsJson;
}

const readers: Record<ReportFormatJson, (text: string) => ReadTests> = {
  REPORT_FORMAT_UNSPECIFIED: () => ({ fault: "the test step names no report format" }),
  REPORT_FORMAT_JUNIT: readJunit,
  REPORT_FORMAT_TAP: readTap,
};

/**
 * Reads a test report strictly: what contradicts itself, is cut off or can't be understood whole is a fault, never a guess.
 * A report is strangers' output: at most 4 MiB of UTF-8 and 50,000 tests. Never throws.
 */
export function readTestReport(format: ReportFormatJson, bytes: Uint8Array): TestReport | { readonly fault: string } {
  if (bytes.byteLength > maxReportBytes)
    return { fault: `the report has ${bytes.byteLength} bytes; at most ${maxReportBytes} are read` };
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return { fault: "the report is not UTF-8" };
  }
  if (text.includes("\0")) return { fault: "the report holds a NUL character" };
  const read = readers[format](text);
  if ("fault" in read) return { fault: shownText(read.fault, 300) };
  const count = (state: ReportedTest["state"]) => read.tests.filter((test) => test.state === state).length;
  const counts = {
    passed: count("passed"),
    failed: count("failed"),
    errored: count("errored"),
    skipped: count("skipped"),
  };
  return { tests: read.tests, counts };
}
