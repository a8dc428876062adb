import { shownText } from "../../../text/strangers-text.ts";
import type { PatchChange } from "../exit-gate/patch-change.ts";
import type { ReportedTest } from "./reported-test.ts";
import { nameWithoutNumbers, stableName } from "./stable-name.ts";
import type { TestReport } from "./test-report.ts";

type Change = Pick<PatchChange, "kind" | "path" | "previousPath">;

export interface Kept {
  /** For people, one entry a name: what was executed on the base and is not any more. */
  readonly gone: readonly string[];
  /** Executed before and now. */
  readonly kept: number;
  /** Of these, tests whose names changed by themselves. */
  readonly recognised: number;
}

const shownCharacters = 120;

/**
 * Compares what was executed before with what is executed now: a test may not be gone, or skipped. Several tests may have one name, so each name is counted.
 * A name that is gone is looked for among the new ones by what of it does not change by itself. A file that could not be loaded is no test; instead of it something in that file must be executed.
 * @param changes - of the patch between the two
 */
export function testsKept(before: TestReport, after: TestReport, changes: readonly Change[]): Kept {
  const [old, fresh] = [executed(before.tests), executed(after.tests)];
  const listed = new Set(after.tests.map(({ name }) => name));
  const spare = spareNames(fresh, old);
  const emptyFiles = filesWithoutTests(before.tests, changes);
  const gone: string[] = [];
  let [kept, recognised] = [0, 0];
  for (const [name, count] of old) {
    const same = Math.min(count, fresh.get(name) ?? 0);
    const renamed = spare.take(name, count - same);
    kept += same + renamed;
    recognised += renamed;
    const left = same + renamed;
    if (left === count || emptyFiles.has(name)) continue;
    const of = count === 1 ? "" : ` (${left} of ${count} left)`;
    const like = spare.like(name);
    const hint = like === undefined ? "" : `; ${shown(like)} is new, and may be the same test with another number`;
    gone.push(`${shown(name)} is ${listed.has(name) && same === 0 ? "skipped now" : "not there any more"}${of}${hint}`);
  }
  const unable = [...unloadedFiles(before, after, changes, spare.isAny), ...failedSuites(before, after, spare.isAny)];
  return { gone: [...gone, ...unable], kept, recognised };
}

/** What counts as executed: a pass that may be a test named like a file does. */
function executed(tests: readonly ReportedTest[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { name, state, standsForFile, standsForSuite } of tests)
    if (standsForFile === "unclear" || (state !== "skipped" && standsForFile === undefined && !standsForSuite))
      counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

/** Names that are executed now and were not before, by what of them does not change by itself. */
function spareNames(fresh: ReadonlyMap<string, number>, old: ReadonlyMap<string, number>) {
  const byStable = new Map<string, number>();
  const byNumbers = new Map<string, string>();
  for (const [name, count] of fresh) {
    const more = count - (old.get(name) ?? 0);
    if (more <= 0) continue;
    const stable = stableName(name);
    byStable.set(stable, (byStable.get(stable) ?? 0) + more);
    byNumbers.set(nameWithoutNumbers(name), name);
  }
  return {
    isAny: byStable.size > 0,
    /** @returns how many of so many are there under a name that changed by itself */
    take(name: string, wanted: number): number {
      const stable = stableName(name);
      const found = stable === name || wanted === 0 ? 0 : Math.min(wanted, byStable.get(stable) ?? 0);
      if (found > 0) byStable.set(stable, (byStable.get(stable) ?? 0) - found);
      return found;
    },
    like: (name: string): string | undefined => byNumbers.get(nameWithoutNumbers(name)),
  };
}

/** Names of passes that stand for a file and for no test: the base had that very file, and the patch changes it or takes it away. */
function filesWithoutTests(tests: readonly ReportedTest[], changes: readonly Change[]): ReadonlySet<string> {
  const changed = new Set(
    changes.flatMap(({ kind, path, previousPath }) => (kind === "CHANGE_KIND_ADDED" ? [] : [previousPath ?? path])),
  );
  const files = new Set(
    tests.filter(({ name, standsForFile }) => standsForFile === "unclear" && changed.has(name)).map(nameOf),
  );
  for (const { name, standsForFile } of tests) if (standsForFile !== "unclear") files.delete(name);
  return files;
}

/** Files that could not be loaded before, and of which nothing is executed now. */
function unloadedFiles(before: TestReport, after: TestReport, changes: readonly Change[], isAnyNew: boolean): string[] {
  const removed = endsOf(
    changes.flatMap(({ kind, path, previousPath }) => previousPath ?? (kind === "CHANGE_KIND_DELETED" ? path : [])),
  );
  const ran = after.tests.filter(({ state, standsForFile }) => state !== "skipped" && standsForFile === undefined);
  const files = endsOf(ran.flatMap(({ file }) => file ?? []));
  const again = new Map(
    after.tests.filter(({ standsForFile }) => standsForFile === "surely").map((test) => [test.name, test]),
  );
  const isThere = (name: string): boolean => {
    const standIn = again.get(name);
    if (standIn !== undefined) return standIn.state !== "skipped";
    return files.size > 0 ? files.has(name) : isAnyNew && !removed.has(name);
  };
  return before.tests
    .filter(({ name, state, standsForFile }) => standsForFile === "surely" && state !== "skipped" && !isThere(name))
    .map(({ name }) => `no test of the file ${shown(name)}, which could not be loaded on the base, is executed`);
}

/** Suites that failed by themselves before, and of which nothing is executed now. */
function failedSuites(before: TestReport, after: TestReport, isAnyNew: boolean): string[] {
  const ran = after.tests.filter(({ state }) => state !== "skipped");
  const isThere = (beginning: string): boolean =>
    beginning === "" ? isAnyNew : ran.some(({ name }) => name.startsWith(beginning));
  return before.tests.flatMap(({ name, standsForSuite: { testsBegin } = {} }) =>
    testsBegin === undefined || isThere(testsBegin) || ran.some((test) => test.name === name)
      ? []
      : `no test of ${shown(name)}, which failed as a whole on the base, is executed`,
  );
}

const mostFolders = 32;

/** Every relative path in which one of these ends. */
function endsOf(paths: readonly string[]): ReadonlySet<string> {
  return new Set(
    paths.flatMap((path) => {
      const names = path.split("/").slice(-mostFolders);
      return names.map((_, from) => names.slice(from).join("/"));
    }),
  );
}

const nameOf = ({ name }: ReportedTest): string => name;
const shown = (name: string): string => `"${shownText(name, shownCharacters)}"`;
