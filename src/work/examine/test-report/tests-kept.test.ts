import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import type { PatchChange } from "../exit-gate/patch-change.ts";
import type { TestReport } from "./test-report.ts";
import { readTestReport } from "./test-report.ts";
import { testsKept } from "./tests-kept.ts";

type Format = "JUNIT" | "TAP";
const read = (format: Format, text: string | Buffer): TestReport => {
  const report = readTestReport(`REPORT_FORMAT_${format}`, Buffer.from(text));
  if ("fault" in report) throw new Error(report.fault);
  return report;
};
const corpus = (name: string) => readFileSync(resolve(import.meta.dirname, "../../../../test/corpus/reports", name));
const junit = (...cases: string[]) => read("JUNIT", `<testsuite>${cases.join("")}</testsuite>`);
const named = (...names: string[]) => junit(...names.map((name) => `<testcase name="${name}"/>`));
const skipped = (name: string) => `<testcase name="${name}"><skipped/></testcase>`;
const nodes = (name: string, file: string, inner = "") =>
  `<testcase name="${name}" classname="test" file="/workspace/${file}">${inner}</testcase>`;
const tap = (...points: string[]) => read("TAP", `TAP version 13\n${points.join("\n")}\n1..${points.length}\n`);
/** What node:test says of a file without tests, and of a test of such a name. */
const standIn = (name: string) => `# Subtest: ${name}\nok 2 - ${name}`;
const change = (kind: "ADDED" | "MODIFIED" | "DELETED", path: string): PatchChange => ({
  kind: `CHANGE_KIND_${kind}`,
  path,
  added: [],
});
const gone = (before: TestReport, after: TestReport, changes: readonly PatchChange[] = []) =>
  testsKept(before, after, changes).gone;

describe("tests that were executed", () => {
  it.each<[string, TestReport, TestReport, RegExp]>([
    ["deleted", named("a", "b"), named("a"), /^"b" is not there any more$/],
    ["skipped", named("a"), junit(skipped("a")), /^"a" is skipped now$/],
    ["one of two of a name deleted", named("a", "a"), named("a"), /^"a" is not there any more \(1 of 2 left\)$/],
    [
      "disabled",
      read("JUNIT", '<testsuite><testcase name="a" status="run"/></testsuite>'),
      read("JUNIT", '<testsuite><testcase name="a" status="disabled"/></testsuite>'),
      /^"a" is skipped now$/,
    ],
    ["renamed", named("a"), named("b"), /^"a" is not there any more$/],
    [
      "renamed by a number",
      named("order 4711"),
      named("order 815"),
      /^"order 4711" is not there any more; "order 815" is new, and may be the same test with another number$/,
    ],
    [
      "one of two with an address",
      named("p[0x7f01aa]", "p[0x7f02aa]"),
      named("p[0x7f03aa]"),
      /"p\[0x7f0.aa\]" is not there any more/,
    ],
    ["with an address, for another test", named("p[0x7f01aa]"), named("q[0x7f01aa]"), /"p\[0x7f01aa\]" is not/],
    ["with an address, and skipped", named("p[0x7f01aa]"), junit(skipped("p[0x7f02aa]")), /"p\[0x7f01aa\]" is not/],
  ])("are missed when they are %s", (_case, before, after, fault) => {
    expect(gone(before, after)).toEqual([expect.stringMatching(fault)]);
  });

  it.each<[string, TestReport, TestReport, number]>([
    [
      "whose objects have other addresses",
      read("JUNIT", corpus("pytest/addresses-1.xml")),
      read("JUNIT", corpus("pytest/addresses-2.xml")),
      2,
    ],
    [
      "of which one address stays and one is new",
      named("p[0x7f01aa]", "p[0x7f02aa]"),
      named("p[0x7f02aa]", "p[0x7f03aa]"),
      1,
    ],
    [
      "with other ids, dates and temporary paths",
      named("a 6ba7b810-9dad-11d1-80b4-00c04fd430c8", "b 2026-11-30", "c /tmp/x1/y"),
      named("a 6ba7b811-9dad-11d1-80b4-00c04fd430c8", "b 2026-12-01", "c /tmp/x2/y"),
      3,
    ],
    ["beside new ones", named("a"), named("a", "b"), 0],
    ["which were skipped before", junit(skipped("a"), skipped("b")), junit(skipped("a")), 0],
  ])("are recognised %s", (_case, before, after, recognised) => {
    expect(testsKept(before, after, [])).toMatchObject({ gone: [], recognised });
  });
});

describe("a test that is named like a file", () => {
  const before = junit(nodes("invoice.js", "test/a.test.js"), nodes("adds", "test/a.test.js"));
  it("is one where the report says that it is in another file", () => {
    expect(before.counts.passed).toBe(2);
    const vanished = [/^"invoice\.js" is not there any more$/].map((fault) => expect.stringMatching(fault));
    expect(gone(before, junit(nodes("adds", "test/a.test.js")), [change("MODIFIED", "src/invoice.js")])).toEqual(
      vanished,
    );
    expect(gone(before, junit(nodes("adds", "test/a.test.js"), nodes("invoice.js", "invoice.js")))).toEqual([
      '"invoice.js" is skipped now',
    ]);
  });

  it.each<[string, string[], PatchChange[]]>([
    ["vanishes", ["ok 1 - adds"], []],
    ["vanishes while a file of that name changes elsewhere", ["ok 1 - adds"], [change("MODIFIED", "src/invoice.js")]],
    ["vanishes while a file of that name is added", ["ok 1 - adds"], [change("ADDED", "invoice.js")]],
    ["is skipped", ["ok 1 - adds", "ok 2 - invoice.js # SKIP"], []],
  ])("is missed when it %s, in a report that does not say where it is", (_case, after, changes) => {
    expect(gone(tap("ok 1 - adds", standIn("invoice.js")), tap(...after), changes)).toEqual([
      expect.stringMatching(/^"invoice\.js" is (not there any more|skipped now)$/),
    ]);
  });

  it.each([change("DELETED", "test/helper.js"), change("MODIFIED", "test/helper.js")])(
    "is a file without tests when the base had it and it changes: %j",
    (changed) => {
      expect(gone(tap("ok 1 - adds", standIn("test/helper.js")), tap("ok 1 - adds"), [changed])).toEqual([]);
    },
  );
});

describe("a file that could not be loaded", () => {
  const broken = nodes("test/b.test.js", "test/b.test.js", "<failure/>");
  const brokenTap =
    "not ok 1 - test/b.test.js\n  ---\n  type: 'test'\n  location: '/workspace/test/b.test.js:1:1'\n  ...";
  it("is no test, when something in it is executed now", () => {
    expect(gone(junit(broken), junit(nodes("subtracts", "test/b.test.js")))).toEqual([]);
    expect(gone(junit(broken), junit(broken))).toEqual([]);
    expect(gone(tap(brokenTap), tap("ok 1 - subtracts"), [change("MODIFIED", "src/b.js")])).toEqual([]);
  });

  it.each<[string, TestReport, TestReport, PatchChange[]]>([
    ["nothing of it is there", junit(broken), junit(nodes("adds", "test/a.test.js")), []],
    ["it declares no test", junit(broken), junit(nodes("test/b.test.js", "test/b.test.js")), []],
    ["its tests are skipped", junit(broken), junit(nodes("x", "test/b.test.js", "<skipped/>"), nodes("y", "a.js")), []],
    ["it is deleted", tap(brokenTap), tap("ok 1 - new"), [change("DELETED", "pkg/test/b.test.js")]],
    ["nothing is new", tap(brokenTap, "ok 2 - a"), tap("ok 1 - a"), []],
  ])("is missed when %s", (_case, before, after, changes) => {
    expect(gone(before, after, changes)).toEqual([
      'no test of the file "test/b.test.js", which could not be loaded on the base, is executed',
    ]);
  });

  it("is an ordinary test where it fails elsewhere", () => {
    const failing = "not ok 1 - invoice.js\n  ---\n  location: '/workspace/test/a.test.js:3:1'\n  ...";
    expect(gone(tap(failing), tap("ok 1 - new"))).toEqual(['"invoice.js" is not there any more']);
  });
});

describe("a suite that failed as a whole", () => {
  const failed = (attributes: string, kind = "failure") => `<testcase ${attributes}><${kind}/></testcase>`;
  const suites = (name: string, ...cases: string[]) =>
    read("JUNIT", `<testsuites><testsuite name="${name}">${cases.join("")}</testsuite></testsuites>`);
  const passed = (classname: string, name: string) => `<testcase classname="${classname}" name="${name}"/>`;
  const other = passed("other", "test");

  it.each<[string, TestReport, string[]]>([
    [
      "gotestsum",
      suites("example.org/shop", failed('classname="" name="TestMain"')),
      [passed("example.org/shop", "TestAdds")],
    ],
    [
      "go-junit-report",
      suites("example.org/shop", failed('classname="example.org/shop" name="[build failed]"', "error")),
      [passed("example.org/shop", "TestAdds")],
    ],
    [
      "pytest",
      suites("pytest", failed('classname="" name="tests.test_cart"', "error")),
      [passed("tests.test_cart.TestCart", "test_adds")],
    ],
    [
      "unittest",
      suites("s", failed('classname="unittest.loader._FailedTest" name="test_cart"', "error")),
      [passed("test_cart.CartTest", "test_adds")],
    ],
    [
      "a class fixture of unittest",
      suites("s", failed('classname="" name="setUpClass (test_cart.CartTest)"', "error")),
      [passed("test_cart.CartTest", "test_adds")],
    ],
    [
      "a subtest of unittest",
      suites("s", failed('classname="test_cart.CartTest" name="test_adds (i=1)"')),
      [passed("test_cart.CartTest", "test_adds")],
    ],
    [
      "Surefire",
      suites("org.example.CartTest", failed('classname="org.example.CartTest" name=""', "error")),
      [passed("org.example.CartTest", "adds")],
    ],
    [
      "Gradle",
      suites("org.example.CartTest", failed('classname="org.example.CartTest" name="initializationError"')),
      [passed("org.example.CartTest", "adds")],
    ],
    [
      "Vitest",
      suites("cart.test.js", failed('classname="cart.test.js" name="cart.test.js"')),
      [passed("cart.test.js", "cart > adds")],
    ],
    [
      "a hook of Vitest",
      suites(
        "cart.test.js",
        failed('classname="cart.test.js" name="cart"'),
        '<testcase classname="cart.test.js" name="cart > adds"><skipped/></testcase>',
      ),
      [passed("cart.test.js", "cart > adds")],
    ],
    [
      "jest-junit",
      suites("cart.test.js", failed('classname="Test suite failed to run" name="cart.test.js"', "error")),
      [passed("cart adds", "cart adds")],
    ],
    [
      "ESLint",
      suites("/workspace/cart.js", failed('classname="/workspace/cart" name="org.eslint.no-undef"')),
      [passed("/workspace/cart", "/workspace/cart.js")],
    ],
    [
      "a suite that only counts its failures",
      read("JUNIT", '<testsuite name="s" errors="1"/>'),
      [passed("cart", "adds")],
    ],
    [
      "a hook of Mocha",
      suites("s", failed('classname="cart" name="&quot;before all&quot; hook for &quot;adds&quot;"')),
      [passed("cart", "adds")],
    ],
  ])("is no test that can go, by %s, when something of it is executed", (_runner, before, mended) => {
    expect(before.counts).not.toMatchObject({ failed: 0, errored: 0 });
    expect(gone(before, junit(...mended, other))).toEqual([]);
    expect(gone(before, before)).toEqual([]);
    const nothing = [expect.stringMatching(/^no test of ".*", which failed as a whole on the base, is executed$/)];
    expect(gone(before, junit())).toEqual(nothing);
    expect(gone(before, junit(...mended.map((test) => test.replace("/>", "><skipped/></testcase>"))))).toEqual(nothing);
  });

  it("is missed when only tests of another are executed", () => {
    const before = suites("example.org/shop", failed('classname="" name="TestMain"'), other);
    expect(gone(before, junit(other, passed("example.org/cart", "TestAdds")))).toHaveLength(1);
  });

  it("asks for nothing more than its tests where they are listed", () => {
    const before = read("JUNIT", `<testsuite name="s" failures="1">${passed("s", "adds")}</testsuite>`);
    expect(gone(before, junit(passed("s", "adds")))).toEqual([]);
    expect(gone(before, junit())).toEqual(['"s > adds" is not there any more']);
    const parent = tap("    ok 1 - child\n    1..1\nnot ok 1 - parent");
    expect(gone(parent, tap("    ok 1 - child\n    1..1\nok 1 - parent"))).toEqual([]);
    expect(gone(parent, tap("ok 1 - other"))).toHaveLength(2);
  });

  it.each([
    "setup_file failed",
    "test_cart (unittest.loader._FailedTest.test_cart)",
    'cart "before all" hook for "adds"',
  ])("is no test that can go, in TAP: %s", (name) => {
    expect(gone(tap(`not ok 1 - ${name}`), tap("ok 1 - adds"))).toEqual([]);
    expect(gone(tap(`not ok 1 - ${name}`, "ok 2 - adds"), tap("ok 1 - adds"))).toHaveLength(1);
  });

  it("is no name that a test has which failed elsewhere", () => {
    for (const attributes of [
      'classname="cart" name="TestMain"',
      'classname="c" name="adds (twice)"',
      'classname="c" name="Failure"',
    ])
      expect(gone(suites("s", failed(attributes)), junit(other))).toEqual([
        expect.stringMatching(/is not there any more$/),
      ]);
  });
});
