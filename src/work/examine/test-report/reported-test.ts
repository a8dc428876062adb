/** One test of a report. `skipped` was not executed, or its result is declared not to count (todo). */
export interface ReportedTest {
  /** Suites and name, joined by ` > `. */
  readonly name: string;
  readonly state: "passed" | "failed" | "errored" | "skipped";
  /** Set when it is no test but node:test's word for a file: one that could not be loaded, or that declares no test. `unclear` when it passed and may as well be a test of such a name. */
  readonly standsForFile?: "surely" | "unclear";
  /** Set when it is no test but its runner's word for a suite that failed by itself. Then a test whose name begins so is listed where that suite can run; an empty beginning is that of a test which was not there. */
  readonly standsForSuite?: { readonly testsBegin?: string };
  /** Path of the file that it is in, where the report tells. */
  readonly file?: string;
}

/** Why a report does not count, for people. */
export class ReportFault extends Error {
  override readonly name = "ReportFault";
  readonly code = "report_fault";
}

export const maxReportBytes = 4 * 1024 * 1024;
export const maxTests = 50_000;
export const maxDepth = 64;
/** Of all names together, each with those of its suites: a long name of a suite is repeated with every test in it. UTF-16 units. */
const maxNames = 32 * 1024 * 1024;

export interface TestList {
  readonly tests: readonly ReportedTest[];
  /**
   * @param names - of the suites and of the test; empty ones are left out
   * @throws ReportFault - beyond the limits
   */
  add(names: readonly string[], test: Omit<ReportedTest, "name">): void;
}

export function createTestList(): TestList {
  const tests: ReportedTest[] = [];
  let length = 0;
  return {
    tests,
    add(names, test) {
      if (tests.length === maxTests) throw new ReportFault(`the report holds more than ${maxTests} tests`);
      const name = names.filter((each) => each !== "").join(" > ");
      length += name.length;
      if (length > maxNames)
        throw new ReportFault(
          `the names of its tests, with those of their suites, have more than ${maxNames} characters together; shorten the names of suites`,
        );
      tests.push({ name, ...test });
    },
  };
}

/**
 * Whether a test may be only node:test's stand-in for a file: one that declares no test is reported as one passed test named after itself, one that can't be loaded as a failed one.
 * Such a pass says that the file could be loaded, not that anything was tested.
 */
export function isNamedLikeFile(name: string): boolean {
  return /^[^\s>]+\.[cm]?[jt]sx?$/.test(name);
}

/** Whether a path ends in a relative one. */
export function endsInPath(path: string, relative: string): boolean {
  return path === relative || path.endsWith(`/${relative}`);
}
