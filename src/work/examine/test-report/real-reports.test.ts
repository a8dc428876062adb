import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import type { ReportedTest } from "./reported-test.ts";
import { readTestReport } from "./test-report.ts";
import { testsKept } from "./tests-kept.ts";

/** What real runners wrote; README.md there says how. `expected.json` has the tests of each, or why it does not count. */
const corpus = resolve(import.meta.dirname, "../../../../test/corpus/reports");
const expected: Readonly<Record<string, readonly string[] | { readonly refused: string }>> = JSON.parse(
  readFileSync(join(corpus, "expected.json"), "utf8"),
);

const standsFor = ({ standsForFile, standsForSuite }: ReportedTest): string => {
  if (standsForFile !== undefined) return standsForFile === "surely" ? " (a file)" : " (a file, or a test)";
  return standsForSuite === undefined ? "" : " (a suite)";
};

function read(file: string) {
  const format = file.endsWith(".tap") ? "REPORT_FORMAT_TAP" : "REPORT_FORMAT_JUNIT";
  return readTestReport(format, readFileSync(join(corpus, file)));
}

describe("a report by a real runner", () => {
  it.each(Object.entries(expected))("is read test by test, or refused: %s", (file, wanted) => {
    const report = read(file);
    const found =
      "fault" in report
        ? { refused: report.fault }
        : report.tests.map((test) => `${test.state} ${test.name}${standsFor(test)}`);
    expect(found).toEqual(wanted);
  });

  it("is in the table, each of them", () => {
    expect(globSync("**/*.{xml,tap}", { cwd: corpus }).sort()).toEqual(Object.keys(expected).sort());
  });

  it.each(Object.keys(expected))("misses nothing where it is compared with itself: %s", (file) => {
    const report = read(file);
    if ("fault" in report) return;
    expect(testsKept(report, report, []).gone).toEqual([]);
  });

  it.each(Object.keys(expected))("misses each test that is taken out of it: %s", (file) => {
    const report = read(file);
    if ("fault" in report) return;
    for (const test of report.tests) {
      if (test.state === "skipped" || standsFor(test) !== "") continue;
      const fewer = { ...report, tests: report.tests.filter((other) => other !== test) };
      expect([test.name, ...testsKept(report, fewer, []).gone]).toHaveLength(2);
    }
  });
});
