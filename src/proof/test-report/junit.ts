import { XMLParser, XMLValidator } from "fast-xml-parser";
import type { ReadTests, ReportedTest } from "./reported-test.ts";
import { endsInPath, isNamedLikeFile, maxDepth, maxNames, maxTests, namesTooLong } from "./reported-test.ts";

/** How many tests an element holds, by the names of its attributes. */
interface Held {
  tests: number;
  failures: number;
  errors: number;
  skipped: number;
  /** Tests that only an attribute says were not executed; some runners count them among the skipped. */
  unrun: number;
}

/** An element as the parser gives it: its name with its children, and its attributes under `:@`. */
type Node = { readonly ":@"?: Readonly<Record<string, string>> } & Readonly<Record<string, unknown>>;

/** What was read so far. */
interface Tests {
  readonly tests: ReportedTest[];
  /** Length of all names together. */
  names: number;
}

class Fault extends Error {}

const ofSuite = new Set(["properties", "system-out", "system-err"]);
/** Retries by surefire leave `flaky…` on a test that passed in the end and `rerun…` beside its failure. */
const ofCase = new Set([...ofSuite, "flakyFailure", "flakyError", "rerunFailure", "rerunError"]);
const attributes = ["tests", "failures", "errors", "skipped"] as const;

/** Entities stay as they are written (`decode` knows the only ones that are let in), and nothing is taken for a number. */
const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: "",
  parseTagValue: false,
  processEntities: false,
  trimValues: false,
  maxNestedTags: maxDepth,
});

/**
 * Reads JUnit XML as node:test, surefire and pytest write it: suites nest, and tests stand at any level.
 * No document type, no entity but XML's own, no processing instruction; the counts that suites announce must be what they hold. A test is executed unless an element or an attribute of it says otherwise.
 */
export function readJunit(text: string): ReadTests {
  try {
    refuseDeclarations(text);
    const valid = XMLValidator.validate(text);
    if (valid !== true) throw new Fault(`the report is not well-formed XML: ${valid.err.msg}, line ${valid.err.line}`);
    const roots = elementsOf(parse(text));
    const [root] = roots;
    if (root === undefined || roots.length > 1 || !["testsuites", "testsuite"].includes(nameOf(root)))
      throw new Fault("the report has no <testsuites> or <testsuite> as its root");
    const all: Tests = { tests: [], names: 0 };
    readSuite(root, nameOf(root) === "testsuite" ? pathOf(root, []) : [], all);
    return { tests: all.tests };
  } catch (error) {
    if (error instanceof Fault) return { fault: error.message };
    throw error;
  }
}

function parse(text: string): unknown {
  try {
    return parser.parse(text);
  } catch (error) {
    throw new Fault(`the report is not XML that can be read: ${error instanceof Error ? error.message : error}`);
  }
}

/** Walks over the text from markup to markup; what stands in comments and CDATA is text and may say anything. */
function refuseDeclarations(text: string): void {
  for (let at = 0; at < text.length; ) {
    const open = text.indexOf("<", at);
    const between = text.slice(at, open < 0 ? text.length : open);
    const entity = /&(?!(?:lt|gt|amp|quot|apos|#\d{1,7}|#x[\da-fA-F]{1,6});)[^\s;]{0,20};?/.exec(between);
    if (entity !== null) throw new Fault(`the report uses an entity that XML does not have itself: ${entity[0]}`);
    if (open < 0) return;
    at = endOfMarkup(text, open);
  }
}

function endOfMarkup(text: string, open: number): number {
  const past = (closing: string, from: number): number => {
    const end = text.indexOf(closing, from);
    if (end < 0) throw new Fault(`the report is cut off: "${closing}" is missing`);
    return end + closing.length;
  };
  if (text.startsWith("<!--", open)) return past("-->", open + 4);
  if (text.startsWith("<![CDATA[", open)) return past("]]>", open + 9);
  if (text.startsWith("<!", open)) throw new Fault("the report has a document type (DTD); none is read");
  if (!text.startsWith("<?", open)) return open + 1;
  const end = past("?>", open);
  const declaration = text.slice(open, end);
  if (open !== 0 || !/^<\?xml\s/.test(declaration)) throw new Fault("the report has a processing instruction");
  const encoding = /\sencoding\s*=\s*["']([^"']*)["']/.exec(declaration)?.[1] ?? "utf-8";
  if (!/^(utf-?8|us-ascii)$/i.test(encoding)) throw new Fault(`the report says it is ${encoding}; only UTF-8 is read`);
  return end;
}

/**
 * Adds the tests of a suite and of those in it.
 * @returns what it holds: in all, and directly
 */
function readSuite(suite: Node, path: readonly string[], all: Tests): Held {
  const held: Held = { tests: 0, failures: 0, errors: 0, skipped: 0, unrun: 0 };
  // node:test counts what stands directly in a suite, and a suite in it as one that failed when anything in it did.
  const direct: Held = { ...held };
  for (const element of elementsOf(suite[nameOf(suite)])) {
    const kind = nameOf(element);
    if (kind === "testcase") {
      const one = readCase(element, path, all);
      add(held, one);
      add(direct, one);
    } else if (kind === "testsuite") {
      const inner = readSuite(element, pathOf(element, path), all);
      add(held, inner);
      add(direct, { tests: 1, failures: +(inner.failures > 0), errors: 0, skipped: +(inner.skipped > 0), unrun: 0 });
    } else if (!ofSuite.has(kind)) throw new Fault(`<${kind}> in <${nameOf(suite)}> is not understood`);
  }
  compareCounts(suite, held, direct);
  return held;
}

function pathOf(suite: Node, outer: readonly string[]): readonly string[] {
  const name = decode(suite[":@"]?.name ?? "");
  return name === "" ? outer : [...outer, name];
}

function compareCounts(suite: Node, held: Held, direct: Held): void {
  const said = attributes.flatMap((attribute) => {
    const value = suite[":@"]?.[attribute];
    if (value === undefined) return [];
    if (!/^\d{1,9}$/.test(value)) throw new Fault(`${attribute}="${value}" of a suite is no count`);
    return [{ attribute, count: Number(value) }];
  });
  const isHeld = ({ attribute, count }: (typeof said)[number]): boolean =>
    count >= held[attribute] && count <= held[attribute] + (attribute === "skipped" ? held.unrun : 0);
  const wrong = said.find((each) => !isHeld(each));
  if (wrong === undefined || said.every(({ attribute, count }) => count === direct[attribute])) return;
  const name = suite[":@"]?.name;
  throw new Fault(
    `report says ${wrong.count} ${wrong.attribute}, holds ${held[wrong.attribute]}${name === undefined ? "" : ` (suite "${decode(name)}")`}`,
  );
}

function readCase(element: Node, path: readonly string[], all: Tests): Held {
  if (all.tests.length >= maxTests) throw new Fault(`the report holds more than ${maxTests} tests`);
  const { name, classname, file } = element[":@"] ?? {};
  if (name === undefined) throw new Fault("a <testcase> has no name");
  const results = elementsOf(element.testcase);
  const has = (kind: string): boolean => results.some((result) => nameOf(result) === kind);
  const unknown = results.find(
    (result) => !ofCase.has(nameOf(result)) && !/^(failure|error|skipped)$/.test(nameOf(result)),
  );
  if (unknown !== undefined) throw new Fault(`<${nameOf(unknown)}> in <testcase> is not understood`);
  const isTodo = results.some((result) => nameOf(result) === "skipped" && result[":@"]?.type === "todo");
  // "test" is node:test's word for no class.
  const isNodes = classname === "test";
  const names = [...(classname === undefined || isNodes ? path : [decode(classname)]), decode(name)];
  all.names += names.reduce((sum, each) => sum + each.length, 0);
  if (all.names > maxNames) throw new Fault(namesTooLong);
  const said = saidOf(element[":@"] ?? {});
  const state = stateOf(has, isTodo, said);
  const standsForFile = isNodes && state !== "skipped" ? standInOf(decode(name), file, state) : undefined;
  all.tests.push({
    name: names.join(" > "),
    state: standsForFile !== undefined && state === "passed" ? "skipped" : state,
    ...(standsForFile === undefined ? {} : { standsForFile }),
    ...(isNodes && file !== undefined ? { file: decode(file) } : {}),
  });
  const isUnrun = said === "not run" && !has("skipped");
  return {
    ...{ tests: 1, failures: +has("failure"), errors: +has("error"), skipped: +has("skipped") },
    unrun: +isUnrun,
  };
}

/** node:test names the file of each test: one whose name is that of its file stands for it. */
function standInOf(
  name: string,
  file: string | undefined,
  state: ReportedTest["state"],
): ReportedTest["standsForFile"] {
  if (!isNamedLikeFile(name)) return undefined;
  if (file !== undefined) return endsInPath(decode(file), name) ? "surely" : undefined;
  return state === "passed" ? "unclear" : undefined;
}

/** Words by which runners say in an attribute that a test was executed, or that it failed; every other word says that it was not executed. */
const ranWords = /^(run|ran|executed|completed?|finished|done|pass(ed)?|success(ful)?|succeeded|ok)$/i;
const failedWords = /^(fail(ed|ure)?|error(ed)?|broken|crashed|timed ?out|timeout)$/i;

/**
 * What a test's attributes say of it, where no element does: ctest's and GoogleTest's `status="disabled"`, `notrun`, `result="suppressed"`, `executed="false"`, `disabled="true"` …
 */
function saidOf(attributes: Readonly<Record<string, string>>): "not run" | "failed" | undefined {
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

const unrunNames: ReadonlySet<string> = new Set(["disabled", "skipped", "ignored", "notrun"]);

/** A failure beside a skip is a failure, except where the test is declared as still to do. */
function stateOf(
  has: (kind: string) => boolean,
  isTodo: boolean,
  said: ReturnType<typeof saidOf>,
): ReportedTest["state"] {
  if (isTodo) return "skipped";
  if (has("error")) return "errored";
  if (has("failure") || said === "failed") return "failed";
  return has("skipped") || said === "not run" ? "skipped" : "passed";
}

function add(sum: Held, more: Held): void {
  for (const attribute of [...attributes, "unrun"] as const) sum[attribute] += more[attribute];
}

/** Without text between elements, comments and the XML declaration. */
function elementsOf(children: unknown): readonly Node[] {
  return (children as readonly Node[]).filter((node) => !["#text", "?xml"].includes(nameOf(node)));
}

function nameOf(node: Node): string {
  return Object.keys(node).find((key) => key !== ":@") ?? "";
}

function decode(text: string): string {
  const named: Record<string, string> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };
  return text.replace(/&(?:#x([\da-fA-F]+)|#(\d+)|(\w+));/g, (whole, hex, decimal, name) => {
    if (name !== undefined) return named[name] ?? whole;
    const point = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
  });
}
