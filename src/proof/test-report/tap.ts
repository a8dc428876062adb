import type { FinalResults, Result } from "tap-parser";
import { Parser } from "tap-parser";
import { shownText } from "../../text/strangers-text.ts";
import type { ReadTests, ReportedTest } from "./reported-test.ts";
import { endsInPath, isNamedLikeFile, maxDepth, maxNames, maxTests, namesTooLong } from "./reported-test.ts";

/**
 * Reads TAP 13 or 14. A test point that only closes its subtests is no test of its own, unless it says something else than they do.
 * Every plan must be there and match; a bail out and anything that is no TAP are faults. `todo` counts as skipped.
 */
export function readTap(text: string): ReadTests {
  const prepared = withoutDiagnostics(text);
  if ("fault" in prepared) return prepared;
  const tests: ReportedTest[] = [];
  const faults: string[] = [];
  const parser = new Parser({ strict: true });
  watch(parser, faults);
  parser.on("extra", (line: string) => faults.push(`not TAP: "${shownText(line.trimEnd(), 100)}"`));
  parser.on("result", (point: Result) => {
    if (tests.length <= maxTests) tests.push(readPoint(point, prepared.unloaded));
  });
  parser.end(prepared.text);
  if (tests.length > maxTests) faults.unshift(`the report holds more than ${maxTests} tests`);
  return faults[0] === undefined ? { tests } : { fault: faults[0] };
}

/** Hears of what contradicts a plan, here and in every subtest. */
function watch(parser: Parser, faults: string[]): void {
  parser.on("child", (child: Parser) => watch(child, faults));
  parser.on("complete", (results: FinalResults) => {
    if (results.bailout !== false)
      faults.push(`the tests bailed out${results.bailout === true ? "" : `: ${results.bailout}`}`);
    const { start, end } = results.plan;
    const planned = end === null || start === null ? undefined : end - start + 1;
    if (planned !== undefined && planned !== results.count)
      faults.push(
        `report says ${planned} tests, holds ${results.count}${parser.name === "" ? "" : ` (subtest "${parser.name}")`}`,
      );
    for (const failure of results.failures) if (failure.tapError) faults.push(`TAP error: ${failure.tapError}`);
  });
}

/** @param unloaded - names of points that node:test says lie at the beginning of the file of that name */
function readPoint({ ok, skip, todo, fullname: name }: Result, unloaded: ReadonlySet<string>): ReportedTest {
  if (skip !== false || todo !== false) return { name, state: "skipped" };
  if (!ok) return { name, state: "failed", ...(unloaded.has(name) ? { standsForFile: "surely" } : {}) };
  return isNamedLikeFile(name) ? { name, state: "skipped", standsForFile: "unclear" } : { name, state: "passed" };
}

/** Points, plans and subtests of the most tests that are read; the parser takes seconds for millions of lines. */
const maxLines = 4 * maxTests;

/**
 * Takes comments and YAML blocks out: a reader of YAML would be one more way in. One line of them is looked at, in which node:test tells where a test that failed lies.
 * @returns unloaded - names of tests that lie where the file of that name begins: the file could not be loaded
 */
function withoutDiagnostics(
  text: string,
): { readonly text: string; readonly unloaded: ReadonlySet<string> } | { readonly fault: string } {
  const unloaded = new Set<string>();
  const kept: string[] = [];
  const latest: number[] = []; // length of the last line at each depth: the parser gives a test the names above it
  let names = 0;
  let indent: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    if (indent !== undefined) {
      if (line === `${indent}...`) indent = undefined;
      const [, file] = /^ {1,256}location: '([^']{1,4096}):1:1'$/.exec(line) ?? [];
      const [, name = ""] = /^not ok - (\S{1,4096})$/.exec(kept.at(-1) ?? "") ?? [];
      if (file !== undefined && isNamedLikeFile(name) && endsInPath(file, name)) unloaded.add(name);
      continue;
    }
    indent = /^( +)---$/.exec(line)?.[1];
    if (indent !== undefined) continue;
    if (/^\s*(#(?! Subtest:)|$)/.test(line)) continue;
    if (line.startsWith("    ".repeat(maxDepth))) return { fault: `subtests nest deeper than ${maxDepth}` };
    if (/^\s*pragma /.test(line)) return { fault: "the report changes how it is to be read (pragma)" };
    const depth = Math.floor((/^ */.exec(line)?.[0].length ?? 0) / 4);
    latest[depth] = line.length;
    if (/^ *(not )?ok/.test(line)) names += latest.slice(0, depth + 1).reduce((sum, length) => sum + length, 0);
    if (names > maxNames) return { fault: namesTooLong };
    // Numbers are left out: node:test gives one twice when a file has no tests of its own. The plan still counts the points.
    kept.push(line.replace(/^( *(?:not )?ok) \d+/, "$1"));
  }
  if (indent !== undefined) return { fault: "the report is cut off in a YAML block" };
  if (kept.length > maxLines)
    return { fault: `the report has ${kept.length} lines that matter; at most ${maxLines} are read` };
  const [version] = kept;
  if (version !== "TAP version 13" && version !== "TAP version 14")
    return { fault: "the report does not begin with `TAP version 13` or `TAP version 14`" };
  if (!kept.some((line) => /^1\.\.\d|^ *Bail out!/.test(line))) return { fault: "the report has no plan" };
  return { text: kept.join("\n"), unloaded };
}
