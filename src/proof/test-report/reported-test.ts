/** One test of a report. `skipped` was not executed, or its result is declared not to count (todo). */
export interface ReportedTest {
  /** Suites and name, joined by ` > `. */
  readonly name: string;
  readonly state: "passed" | "failed" | "errored" | "skipped";
}

export type ReadTests = { readonly tests: readonly ReportedTest[] } | { readonly fault: string };

/** Reading one takes the api about a second and a half at most, during which it does nothing else. */
export const maxReportBytes = 4 * 1024 * 1024;
export const maxTests = 50_000;
export const maxDepth = 64;

/**
 * Says whether a passed test is only node:test's stand-in for a file: a file that declares no test is reported as one passed test named after itself.
 * Such a pass says that the file could be loaded, not that anything was tested.
 */
export function standsForFile(name: string): boolean {
  return /^[^\s>]+\.[cm]?[jt]sx?$/.test(name);
}
