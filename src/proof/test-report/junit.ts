import { XMLParser, XMLValidator } from "fast-xml-parser";
import type { ReadTests, ReportedTest } from "./reported-test.ts";
import { maxDepth, maxNames, maxTests, namesTooLong, standsForFile } from "./reported-test.ts";

/** How many tests an element holds, by the names of its attributes. */
interface Held {
  tests: number;
  failures: number;
  errors: number;
  skipped: number;
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
 * No document type, no entity but XML's own, no processing instruction; the counts that suites announce must be what they hold.
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
  const held: Held = { tests: 0, failures: 0, errors: 0, skipped: 0 };
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
      add(direct, { tests: 1, failures: +(inner.failures > 0), errors: 0, skipped: +(inner.skipped > 0) });
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
  const wrong = said.find(({ attribute, count }) => count !== held[attribute]);
  if (wrong === undefined || said.every(({ attribute, count }) => count === direct[attribute])) return;
  const name = suite[":@"]?.name;
  throw new Fault(
    `report says ${wrong.count} ${wrong.attribute}, holds ${held[wrong.attribute]}${name === undefined ? "" : ` (suite "${decode(name)}")`}`,
  );
}

function readCase(element: Node, path: readonly string[], all: Tests): Held {
  if (all.tests.length >= maxTests) throw new Fault(`the report holds more than ${maxTests} tests`);
  const { name, classname } = element[":@"] ?? {};
  if (name === undefined) throw new Fault("a <testcase> has no name");
  const results = elementsOf(element.testcase);
  const has = (kind: string): boolean => results.some((result) => nameOf(result) === kind);
  const unknown = results.find(
    (result) => !ofCase.has(nameOf(result)) && !/^(failure|error|skipped)$/.test(nameOf(result)),
  );
  if (unknown !== undefined) throw new Fault(`<${nameOf(unknown)}> in <testcase> is not understood`);
  const isTodo = results.some((result) => nameOf(result) === "skipped" && result[":@"]?.type === "todo");
  // "test" is node:test's word for no class.
  const names = [...(classname === undefined || classname === "test" ? path : [decode(classname)]), decode(name)];
  all.names += names.reduce((sum, each) => sum + each.length, 0);
  if (all.names > maxNames) throw new Fault(namesTooLong);
  all.tests.push({
    name: names.join(" > "),
    state: stateOf(has, isTodo, classname === "test" && standsForFile(name)),
  });
  return { tests: 1, failures: +has("failure"), errors: +has("error"), skipped: +has("skipped") };
}

/** A failure beside a skip is a failure, except where the test is declared as still to do. */
function stateOf(has: (kind: string) => boolean, isTodo: boolean, isFile: boolean): ReportedTest["state"] {
  if (isTodo) return "skipped";
  if (has("error")) return "errored";
  if (has("failure")) return "failed";
  return has("skipped") || isFile ? "skipped" : "passed";
}

function add(sum: Held, more: Held): void {
  for (const attribute of attributes) sum[attribute] += more[attribute];
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
