import type { SaxesTagPlain } from "saxes";
import { SaxesParser } from "saxes";
import type { ReportedTest, TestList } from "./reported-test.ts";
import { createTestList, endsInPath, isNamedLikeFile, maxDepth, ReportFault } from "./reported-test.ts";
import { suiteOfCase } from "./stand-ins.ts";

type Attributes = Readonly<Record<string, string>>;

/** A `<testsuites>` or `<testsuite>` that is open. */
interface Suite {
  readonly attributes: Attributes;
  /** Names of the suites that it is in, and its own. */
  readonly path: readonly string[];
  tests: number;
  /** Tests in it that list a failure or an error, whether it counts or not. */
  failing: number;
  /** It has such an element itself. */
  hasFailed: boolean;
}

/** A `<testcase>` that is open, with what its elements say of it. */
interface Case {
  readonly attributes: Attributes;
  readonly says: Set<"error" | "failure" | "skipped" | "todo">;
}

/** Other elements are harmless: retries leave `<flakyFailure>` on a test that passed in the end. */
const elements: ReadonlyMap<string, "error" | "failure" | "skipped"> = new Map([
  ...["error", "rerunError"].map((name) => [name, "error"] as const),
  ...["failure", "rerunFailure"].map((name) => [name, "failure"] as const),
  ...["skipped", "ignored", "disabled", "pending", "notrun"].map((name) => [name, "skipped"] as const),
]);

/**
 * Reads JUnit XML. The tests that are listed are the truth, at whatever level they stand. What suites count is not compared, since they count different things; only one that
 * announces failures or errors and lists none is a failure itself. A test is executed unless an element or an attribute of it says otherwise. No document type, no entity but XML's own.
 * @throws ReportFault
 */
export function readJunit(text: string): readonly ReportedTest[] {
  const list = createTestList();
  const suites: Suite[] = [];
  let depth = 0;
  let test: Case | undefined;
  const open = ({ name, attributes }: SaxesTagPlain): void => {
    depth += 1;
    if (depth > maxDepth) throw new ReportFault(`elements nest deeper than ${maxDepth}`);
    const suite = suites.at(-1);
    const says = elements.get(name);
    if (name === "testsuites" || name === "testsuite") {
      const path = [...(suite?.path ?? []), ...(name === "testsuite" ? [attributes.name ?? ""] : [])];
      suites.push({ attributes, path, tests: 0, failing: 0, hasFailed: false });
    } else if (suite === undefined) {
      throw new ReportFault(`the report's root is <${name}>; that of JUnit XML is <testsuites> or <testsuite>`);
    } else if (name === "testcase") {
      if (test !== undefined) throw new ReportFault("a <testcase> stands in another one");
      test = { attributes, says: new Set() };
    } else if (says !== undefined && test === undefined) suite.hasFailed ||= says !== "skipped";
    else if (says !== undefined) test?.says.add(says === "skipped" && isTodo(attributes) ? "todo" : says);
    else if (name === "property" && /^(skip|todo)$/.test(attributes.name ?? ""))
      test?.says.add("skipped"); // node-tap
    // PHPUnit: it warns that a class has no test.
    else if (name === "warning" && test?.attributes.assertions === "0") test.says.add("skipped");
  };
  const close = ({ name }: SaxesTagPlain): void => {
    depth -= 1;
    const suite = suites.at(-1);
    if (name === "testcase" && test !== undefined && suite !== undefined) {
      addTest(test, suite, list);
      test = undefined;
    } else if ((name === "testsuites" || name === "testsuite") && suite !== undefined) {
      addFailedSuite(suite, list);
      suites.pop();
      const outer = suites.at(-1);
      if (outer !== undefined) {
        outer.tests += suite.tests;
        outer.failing += suite.failing;
      }
    }
  };
  const parser = new SaxesParser();
  parser.on("opentag", open);
  parser.on("closetag", close);
  parser.on("doctype", () => {
    throw new ReportFault("the report has a document type (DTD); none is read");
  });
  let forgiven = 0;
  parser.on("error", ({ message }) => {
    forgiven += 1;
    if (!harmless.test(message) || forgiven > mostForgiven)
      throw new ReportFault(`the report is not well-formed XML: ${message}`);
  });
  parser.write(withoutControls(text.trimStart())).close();
  return list.tests;
}

/** Characters that XML does not allow and runners write all the same, raw or by number, become their symbols (U+2400 …), or the replacement character. */
function withoutControls(text: string): string {
  return text
    .replace(/(?![\t\n\r])[\p{Cc}\p{Cs}\ufffe\uffff]/gu, (character) => allowed(character.charCodeAt(0)))
    .replace(/&#(?:x([\da-f]{1,8})|(\d{1,8}));/gi, (_reference, hex, decimal) => {
      const character = allowed(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16));
      return `&#${character.codePointAt(0)};`;
    });
}

function allowed(code: number): string {
  const character = code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd";
  if (/^[\t\n\r]$/.test(character)) return character;
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return /[\p{Cc}\p{Cs}\ufffe\uffff]/u.test(character) ? "\ufffd" : character;
}

/** What is not XML either, and runners write in output of tests: node:test does not escape `]]>`, and what it says in comments may hold `--`. */
const harmless = /"]]>" is disallowed|malformed comment/;
/** The parser takes its time for each. */
const mostForgiven = 10_000;

function isTodo({ type, message = "" }: Attributes): boolean {
  return type === "todo" || /^TEST_CASE tagged with !(mayfail|shouldfail)/.test(message); // node:test; Catch2
}

function addTest({ attributes, says }: Case, suite: Suite, list: TestList): void {
  const { name, classname = "", file } = attributes;
  if (name === undefined) throw new ReportFault("a <testcase> has no name");
  // "test" is node:test's word for no class.
  const isNodes = classname === "test";
  const names = [...(classname === "" || isNodes ? suite.path : [classname]), ...(classname === name ? [] : [name])];
  const state = stateOf(says, attributeSays(attributes));
  const hasFailed = state === "failed" || state === "errored";
  suite.tests += 1;
  if (hasFailed || says.has("failure") || says.has("error")) suite.failing += 1;
  const standsForFile = isNodes && state !== "skipped" ? standInOf(name, file, state) : undefined;
  const standsForSuite = hasFailed ? suiteOfCase(attributes, suite.path.at(-1) ?? "", state === "errored") : undefined;
  list.add(names, {
    state: standsForFile !== undefined && state === "passed" ? "skipped" : state,
    ...(standsForFile && { standsForFile }),
    ...(standsForSuite && { standsForSuite }),
    ...(isNodes && file !== undefined && { file }),
  });
}

/** A failure beside a skip is a failure, except where the test is declared as still to do. */
function stateOf(says: Case["says"], attributes: "not run" | "failed" | undefined): ReportedTest["state"] {
  if (says.has("todo")) return "skipped";
  if (says.has("error")) return "errored";
  if (says.has("failure") || attributes === "failed") return "failed";
  return says.has("skipped") || attributes === "not run" ? "skipped" : "passed";
}

/** node:test names the file of each test: one whose name is that of its file stands for it. */
function standInOf(
  name: string,
  file: string | undefined,
  state: ReportedTest["state"],
): ReportedTest["standsForFile"] {
  if (!isNamedLikeFile(name)) return undefined;
  if (file !== undefined) return endsInPath(file, name) ? "surely" : undefined;
  return state === "passed" ? "unclear" : undefined;
}

/** Words by which runners say in an attribute that a test was executed, or that it failed; every other word says that it was not executed. */
const ranWords = /^(run|ran|executed|completed?|finished|done|pass(ed)?|success(ful)?|succeeded|ok)$/i;
const failedWords = /^(fail(ed|ure)?|error(ed)?|broken|crashed|panicked|aborted|interrupted|timed ?out|timeout)$/i;
const unrunNames: ReadonlySet<string> = new Set(["disabled", "skipped", "ignored", "notrun"]);

/** What the attributes of a test say of it, where no element does: ctest's and GoogleTest's `status="disabled"`, `notrun`, `result="suppressed"`, `executed="false"`, `disabled="true"` … */
function attributeSays(attributes: Attributes): "not run" | "failed" | undefined {
  let said: "not run" | "failed" | undefined;
  for (const [key, value] of Object.entries(attributes)) {
    const name = key.toLowerCase();
    const isTrue = /^(true|yes|1)$/i.test(value);
    if (["status", "result", "outcome"].includes(name)) {
      if (failedWords.test(value)) return "failed";
      if (value !== "" && !ranWords.test(value)) said = "not run";
    } else if (name === "executed" ? /^(false|no|0)$/i.test(value) : unrunNames.has(name) && isTrue) said = "not run";
  }
  return said;
}

function addFailedSuite(suite: Suite, list: TestList): void {
  const { attributes, path, tests, failing, hasFailed } = suite;
  const [failures, errors] = [countOf(attributes, "failures"), countOf(attributes, "errors")];
  if (failing > 0 || (failures + errors === 0 && !hasFailed)) return;
  suite.failing = 1;
  const names = path.some((name) => name !== "") ? path : ["the report as a whole"];
  list.add(names, { state: errors > 0 ? "errored" : "failed", standsForSuite: tests > 0 ? {} : { testsBegin: "" } });
}

function countOf(attributes: Attributes, name: "failures" | "errors"): number {
  const value = attributes[name] ?? "";
  if (!/^\d{0,9}$/.test(value)) throw new ReportFault(`${name}="${value}" of a suite is no count`);
  return Number(value);
}
