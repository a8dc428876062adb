import type { ReportedTest, TestList } from "./reported-test.ts";
import { createTestList, endsInPath, isNamedLikeFile, maxDepth, maxTests, ReportFault } from "./reported-test.ts";
import { suiteOfPoint } from "./stand-ins.ts";

/** A test point, with all that follows `ok` or `not ok` as it is written. */
interface Point {
  readonly isOk: boolean;
  text: string;
  /** It closes this subtest. */
  subtest?: Stream;
  /** What a `# Subtest:` comment right before it says. */
  readonly comment: string | undefined;
  /** File at whose beginning it lies, by its YAML block. */
  beginsFile?: string;
}

/** One TAP document: the report, or a subtest of it. */
interface Stream {
  readonly points: Point[];
  plan?: { readonly tests: number; readonly afterPoints: number };
  /** `pragma +strict`: other lines than those of TAP are faults. */
  isStrict: boolean;
  /** The point before it that opens it with a brace; a line with the other brace closes it. */
  readonly opener: Point | undefined;
}

/** What is open while lines are read. */
interface Reading {
  /** The report, and the subtests that are open, each in the one before it. */
  readonly open: [Stream, ...Stream[]];
  points: number;
  /** The latest point, while only comments and its YAML block followed. */
  latest: Point | undefined;
  /** Whether the line before was TAP, or a comment: a YAML block may follow. */
  isAfterTap: boolean;
  comment: string | undefined;
  /** A line like this ends the YAML block. */
  yamlEnd: string | undefined;
}

/**
 * Reads TAP 14, 13, and 12, which has no version line, by the grammar of TAP 14 (testanything.org). Lines that are no TAP are output of the tests, and ignored.
 * Every document has one plan, at its beginning or end, that counts its points. A point that only closes its subtests is no test of its own, unless it says something else than they do. `todo` counts as skipped.
 * @throws ReportFault
 */
export function readTap(text: string): readonly ReportedTest[] {
  const root = aStream(undefined);
  const reading: Reading = {
    open: [root],
    points: 0,
    latest: undefined,
    isAfterTap: false,
    comment: undefined,
    yamlEnd: undefined,
  };
  for (const [line] of text.matchAll(/[^\r\n]+/g)) readLine(reading, line);
  if (reading.yamlEnd !== undefined) throw new ReportFault("the report is cut off in a YAML block");
  if (reading.open.length > 1) throw new ReportFault("the report is cut off in a subtest: no test point closes it");
  const list = createTestList();
  listTests(root, [], list, false);
  return list.tests;
}

const aStream = (opener: Point | undefined): Stream => ({ points: [], isStrict: false, opener });

function readLine(reading: Reading, line: string): void {
  const { latest, yamlEnd } = reading;
  if (yamlEnd !== undefined) {
    if (line.trimEnd() === yamlEnd) reading.yamlEnd = undefined;
    // node:test; Vitest
    const [, , file] = /^ {1,256}(?:location|at): (['"])([^'"]{1,4096}):1:1\1$/.exec(line) ?? [];
    if (file !== undefined && latest !== undefined) latest.beginsFile = file;
    return;
  }
  const indent = line.search(/[^ ]/);
  const content = line.slice(indent).trimEnd();
  if (content === "") return;
  if (content.startsWith("#")) {
    reading.comment = /^# Subtest: (.*)$/s.exec(content)?.[1];
    return;
  }
  if (content === "---" && indent > 0 && reading.isAfterTap) {
    reading.yamlEnd = `${" ".repeat(indent)}...`;
    return;
  }
  reading.isAfterTap = indent % 4 === 0 && readTapLine(reading, content, indent / 4);
  reading.comment = undefined;
  if (reading.isAfterTap) return;
  reading.latest = undefined;
  if (reading.open.at(-1)?.isStrict)
    throw new ReportFault(`a line is no TAP, though the report asks to be strict (pragma): ${content}`);
}

/** @returns whether it is one */
function readTapLine(reading: Reading, line: string, depth: number): boolean {
  if (/^bail out!/i.test(line))
    throw new ReportFault(`the tests bailed out:${line.slice(9) || " they give no reason"}`);
  if (line === "{" && reading.latest !== undefined) {
    reading.latest.text += " {";
    return true;
  }
  if (line === "}") return closeBrace(reading, depth);
  const [, not, text] = /^(not )?ok(?!\S)(.*)/s.exec(line) ?? [];
  if (text !== undefined) {
    addPoint(reading, depth, { isOk: not === undefined, text, comment: reading.comment });
    return true;
  }
  const [, planned] = /^1\.\.(\d{1,9})(?!\S)(?: *#.*)?$/s.exec(line) ?? [];
  const [, version] = /^TAP version (\d{1,9})$/i.exec(line) ?? [];
  const [, sign, pragma] = /^pragma ([+-])([\w-]+)$/.exec(line) ?? [];
  if ((planned ?? version ?? pragma) === undefined) return false;
  const stream = streamAt(reading, depth);
  if (planned !== undefined) {
    if (stream.plan !== undefined) throw new ReportFault("a report or subtest has two plans");
    stream.plan = { tests: Number(planned), afterPoints: stream.points.length };
  }
  if (version !== undefined && version !== "13" && version !== "14")
    throw new ReportFault(`TAP version ${version} is not read; 13, 14 and reports without a version line are`);
  if (pragma === "strict") stream.isStrict = sign === "+";
  return true;
}

function streamAt(reading: Reading, depth: number): Stream {
  if (depth >= maxDepth) throw new ReportFault(`subtests nest deeper than ${maxDepth}`);
  const { open, latest } = reading;
  if (open.length <= depth) open.push(aStream(latest?.text.endsWith("{") ? latest : undefined));
  while (open.length <= depth) open.push(aStream(undefined));
  reading.latest = undefined;
  return open[depth] ?? open[0];
}

function addPoint(reading: Reading, depth: number, point: Point): void {
  const stream = streamAt(reading, depth);
  point.subtest = closeAt(reading, depth);
  if (point.subtest?.opener !== undefined) throw new ReportFault('a subtest that begins with "{" has no "}"');
  reading.points += 1;
  if (reading.points > maxTests) throw new ReportFault(`the report holds more than ${maxTests} tests`);
  stream.points.push(point);
  if (stream.plan !== undefined && stream.plan.afterPoints > 0)
    throw new ReportFault("a plan stands between test points; it belongs before or after all of them");
  reading.latest = point;
}

/** Ends the subtest that is open in the document at a depth, if there is one. */
function closeAt({ open }: Reading, depth: number): Stream | undefined {
  if (open.length > depth + 2) throw new ReportFault("a subtest ends before the test point that closes one in it");
  return open.length === depth + 2 ? open.pop() : undefined;
}

function closeBrace(reading: Reading, depth: number): boolean {
  const { opener } = reading.open[depth + 1] ?? {};
  if (opener === undefined) return false;
  opener.subtest = closeAt(reading, depth);
  opener.text = opener.text.slice(0, -1);
  return true;
}

/**
 * Lists the tests of a document, those of its subtests in their places.
 * @param isDeclared - a subtest that holds it is to be skipped, or still to do
 * @returns how many points there are, in it and in its subtests, and whether one failed
 */
function listTests(
  { points, plan }: Stream,
  path: readonly string[],
  list: TestList,
  isDeclared: boolean,
): { readonly held: number; readonly hasFailed: boolean } {
  const where = path.length === 0 ? "" : ` (subtest "${path.at(-1)}")`;
  if (plan === undefined) throw new ReportFault(`the report has no plan${where}`);
  if (plan.tests !== points.length)
    throw new ReportFault(`report says ${plan.tests} tests, holds ${points.length}${where}`);
  let [held, hasFailed] = [0, false];
  for (const { point, name, isDirected } of described(points)) {
    const { isOk, subtest } = point;
    const names = [...path, name];
    const isSkipped = isDeclared || isDirected;
    const inner = subtest && listTests(subtest, names, list, isSkipped);
    held += 1 + (inner?.held ?? 0);
    hasFailed ||= (!isOk && !isSkipped) || inner?.hasFailed === true;
    if (inner !== undefined && inner.held > 0 && (isOk || isSkipped || inner.hasFailed)) continue;
    // A subtest without any point has executed nothing.
    if (isSkipped || (isOk && inner !== undefined)) list.add(names, { state: "skipped" });
    else list.add(names, testOf(point, name, path.length === 0));
  }
  return { held, hasFailed };
}

function testOf({ isOk, comment, beginsFile }: Point, name: string, isRoot: boolean): Omit<ReportedTest, "name"> {
  const isFile = isRoot && isNamedLikeFile(name);
  // Before each of its points node:test says its name.
  if (isOk) return isFile && comment === name ? { state: "skipped", standsForFile: "unclear" } : { state: "passed" };
  if (isFile && endsInPath(beginsFile ?? "", name)) return { state: "failed", standsForFile: "surely" };
  const standsForSuite = suiteOfPoint(name);
  return { state: "failed", ...(standsForSuite && { standsForSuite }) };
}

/** Their names without numbers, dashes, directives and escapes. */
function described(points: readonly Point[]) {
  const parts = points.map(({ text }) => {
    const [, number = "", dash = "", rest = ""] = /^(?:\s+(\d+)(?!\S))?(?:\s+(-)(?!\S))?(.*)$/s.exec(text) ?? [];
    return { number, isPlain: dash === "" && !/^\s*(#|$)/.test(rest), dash, rest };
  });
  // "ok 404 page": a number without a dash is one of the report only where all of them are.
  const plain = parts.filter(({ isPlain }) => isPlain);
  const numbers = new Set(plain.map(({ number }) => Number(number)));
  const isNumber = (number: string): boolean => number !== "" && Number(number) >= 1 && Number(number) <= points.length;
  const areNumbered = numbers.size === plain.length && plain.every(({ number }) => isNumber(number));
  return points.map((point, index) => {
    const { number = "", isPlain, rest = "" } = parts[index] ?? {};
    const isOfName = isPlain === true && !areNumbered;
    if (number !== "" && !isOfName && !isNumber(number))
      throw new ReportFault(`test point ${number} is none of the ${points.length} that are planned`);
    return { point, ...namedBy(`${isOfName ? number : ""}${rest}`, point.isOk) };
  });
}

/** Of a point that failed only the exact word forgives it. */
const directives = /\\[\\#]|(?<=^|\s|\\\\)#\s*(?:skip|todo)/gi;
const exactDirectives = /\\[\\#]|(?<=^|\s|\\\\)#\s*(?:skip|skipped|todo)(?![\w-])/gi;

function namedBy(text: string, isOk: boolean): { readonly name: string; readonly isDirected: boolean } {
  const found = text.matchAll(isOk ? directives : exactDirectives).find(([match]) => match.startsWith("#"));
  const name = text
    .slice(0, found?.index)
    .trim()
    .replace(/\\([\\#])/g, "$1");
  // node-tap tells how long a test took.
  return { name: name.replace(/ # time=\d{1,12}(?:\.\d{1,12})?m?s$/, "").trimEnd(), isDirected: found !== undefined };
}
