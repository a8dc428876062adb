import type { TestRunJson } from "../../../gen/automation/v1/run_work_pb.ts";
import type { TestReport } from "./test-report.ts";

/** What one run of a test step proves. */
export interface TestFinding {
  readonly run: TestRunJson;
  readonly outcome: "PASSED" | "FAILED";
  /** Absent when it can't be read. */
  readonly report?: TestReport;
  /** For people: what was counted, or why it does not pass. */
  readonly detail: string;
}
