import { standsForFile } from "./reported-test.ts";
import type { TestReport } from "./test-report.ts";

/**
 * Says which tests that were executed before are not executed any more: gone, or skipped now. Several tests may have one name, so each name is counted.
 * A file that could not be loaded stands in a report as one failed test of its own name; it is not missed.
 * @returns for people, one entry a name
 */
export function testsKept(before: TestReport, after: TestReport): readonly string[] {
  const [old, fresh] = [executed(before), executed(after)];
  const names = new Set(after.tests.map(({ name }) => name));
  return [...old].flatMap(([name, count]) => {
    const left = fresh.get(name) ?? 0;
    if (left >= count || standsForFile(name)) return [];
    const of = count === 1 ? "" : ` (${left} of ${count} left)`;
    return [`${JSON.stringify(name)} is ${names.has(name) && left === 0 ? "skipped now" : "not there any more"}${of}`];
  });
}

function executed({ tests }: TestReport): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { name, state } of tests) if (state !== "skipped") counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}
