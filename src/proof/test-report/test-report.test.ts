import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import type { TestReport } from "./test-report.ts";
import { readTestReport } from "./test-report.ts";

const corpus = resolve(import.meta.dirname, "../../../test/corpus/reports");
const formatOf = (name: string) => (name.endsWith(".tap") ? "REPORT_FORMAT_TAP" : "REPORT_FORMAT_JUNIT");
const readCorpus = (name: string) => readTestReport(formatOf(name), readFileSync(join(corpus, name)));
const states = (report: TestReport | { readonly fault: string }) =>
  "fault" in report ? report.fault : report.tests.map(({ name, state }) => `${state} ${name}`);
const junit = (text: string) => states(readTestReport("REPORT_FORMAT_JUNIT", Buffer.from(text)));
const tap = (text: string) => states(readTestReport("REPORT_FORMAT_TAP", Buffer.from(text)));

describe("a report by a real runner", () => {
  it.each([
    [
      "node-all.xml",
      [
        "passed adds",
        "skipped is skipped",
        "skipped fails and is still to do",
        "skipped is still to do",
        "passed parent > child",
        "failed parent > child <&> &quot;quoted&quot; é",
        "passed suite > is in a suite",
        "skipped suite > is skipped in a suite",
        "failed suite.deep > deepest",
        "passed suite.deep > deepest too",
        "skipped skipped suite",
        "passed suite > is in a suite",
        "failed test/c.test.mjs",
        "skipped test/helper.mjs",
      ],
    ],
    [
      "node-all.tap",
      [
        "passed adds",
        "skipped is skipped",
        "skipped fails and is still to do",
        "skipped is still to do",
        "passed parent > child",
        'failed parent > child <&> "quoted" é',
        "passed suite > is in a suite",
        "skipped suite > is skipped in a suite",
        "failed suite > deep > deepest",
        "passed suite > deep > deepest too",
        "skipped skipped suite",
        "passed suite > is in a suite",
        "failed test/c.test.mjs",
        "skipped test/helper.mjs",
      ],
    ],
    [
      "pytest.xml",
      [
        "passed test_shop > test_adds",
        "passed test_shop > test_many[1]",
        "failed test_shop > test_many[2]",
        "skipped test_shop > test_skipped",
        "skipped test_shop > test_expected_failure",
        "errored test_shop > test_errors",
        "passed test_shop.TestShop > test_in_class",
      ],
    ],
    [
      "surefire.xml",
      [
        "passed org.example.ShopTest > adds",
        "passed org.example.ShopTest > isFlaky",
        "failed org.example.ShopTest > subtracts",
        "errored org.example.ShopTest > divides",
        "skipped org.example.ShopTest > isDisabled",
      ],
    ],
    ["ctest-disabled.xml", ["passed adds > adds", "skipped removes > removes"]],
    [
      "tap14.tap",
      [
        "passed adds",
        "skipped subtracts",
        "skipped divides",
        "passed nested > first",
        "failed nested > second # with a sharp",
      ],
    ],
  ])("is read test by test: %s", (name, expected) => {
    expect(states(readCorpus(name))).toEqual(expected);
  });

  it.each(["node-green.xml", "node-green.tap"])("without a failure counts as such: %s", (name) => {
    expect(readCorpus(name)).toMatchObject({ counts: { passed: 6, failed: 0, errored: 0, skipped: 5 } });
  });

  it.each(["junit", "tap"])("of this version of node is read: %s", (reporter) => {
    const folder = mkdtempSync(join(tmpdir(), "test-report-"));
    try {
      const tests = `import { describe, it, test } from "node:test";
        describe("outer", () => { it("one", () => {}); describe("inner", () => { it("two", () => {}); it.skip("three", () => {});
          it.todo("four", () => { throw new Error("x"); }); it("five", () => { throw new Error("y"); }); }); });
        test("parent", async (t) => { await t.test("child", () => {}); throw new Error("after"); });`;
      writeFileSync(join(folder, "a.test.mjs"), tests);
      const { stdout } = spawnSync(process.execPath, ["--test", `--test-reporter=${reporter}`], {
        cwd: folder,
        env: {},
        timeout: 60_000,
      });
      const report = readTestReport(reporter === "tap" ? "REPORT_FORMAT_TAP" : "REPORT_FORMAT_JUNIT", stdout);
      // TAP says that the parent failed by itself, JUnit has no place for it: there the exit code does.
      const failed = reporter === "tap" ? 2 : 1;
      expect(report).toMatchObject({ counts: { passed: 3, failed, errored: 0, skipped: 2 } });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

const suite = (content: string, attributes = "") => `<testsuite${attributes}>${content}</testsuite>`;
const one = '<testcase name="a" classname="c"/>';

const longName = "n".repeat(60_000);

describe("JUnit XML", () => {
  it("is read with what every dialect has", () => {
    expect(junit(`<?xml version="1.0"?>\n<!-- hello -->\n${suite(one)}`)).toEqual(["passed c > a"]);
    expect(junit(`\ufeff${suite(one)}`)).toEqual(["passed c > a"]);
    expect(junit(suite('<testcase name="&lt;&#65;&#x42;&gt;"/>', ' name="s"'))).toEqual(["passed s > <AB>"]);
    expect(junit(suite('<testcase name="a"><failure/><skipped/></testcase>'))).toEqual(["failed a"]);
  });

  it.each([
    ...['status="disabled"', 'status="notrun"', 'status="not run"', 'status="Skipped"', 'status="pending"'],
    ...['status="notrun" result="suppressed"', 'status="run" result="skipped"', 'result="ignored"', 'executed="false"'],
    ...['executed="No"', 'disabled="true"', 'ignored="1"', 'skipped="TRUE"', 'status="whatever"', 'outcome="inactive"'],
  ])("takes no test for executed that says %s", (attributes) => {
    for (const head of ["", ' tests="1" skipped="0" disabled="1"', ' tests="1" skipped="1"'])
      expect(junit(suite(`<testcase name="a" ${attributes}/>`, head))).toEqual(["skipped a"]);
    expect(junit(suite(`<testcase name="a" ${attributes}><failure/></testcase>`))).toEqual(["failed a"]);
  });

  it.each([
    'status="run"',
    'status="run" result="completed"',
    'status="Success"',
    'executed="True"',
    'disabled="false"',
    'status=""',
  ])("takes a test for executed that says %s", (attributes) => {
    expect(junit(suite(`<testcase name="a" ${attributes}/>`))).toEqual(["passed a"]);
  });

  it.each(['status="fail"', 'result="Failed"', 'status="run" result="error"', 'status="timed out"'])(
    "takes a test for failed that says %s, with no element about it",
    (attributes) => {
      expect(junit(suite(`<testcase name="a" ${attributes}/>`))).toEqual(["failed a"]);
    },
  );

  it.each([
    ["a document type", `<!DOCTYPE x>${suite(one)}`, "document type"],
    ["a DTD with entities", `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>${suite(one)}`, "document type"],
    ["a document type that follows", `${suite(one)}<!DOCTYPE x>`, "document type"],
    ["an entity of its own", suite('<testcase name="&e;"/>'), "entity that XML does not have itself: &e;"],
    ["a processing instruction", `<?xml-stylesheet href="x"?>${suite(one)}`, "processing instruction"],
    ["a second declaration", `${suite(one)}<?xml version="1.0"?>`, "processing instruction"],
    ["another encoding", `<?xml version="1.0" encoding="UTF-16"?>${suite(one)}`, "only UTF-8"],
    ["another root", "<html/>", "as its root"],
    ["two roots", suite(one) + suite(one), "not well-formed"],
    ["nothing", "", "not well-formed"],
    ["a cut", `<testsuite>${one}`, "not well-formed"],
    ["a cut comment", `${suite(one)}<!-- x`, "cut off"],
    ["crossed tags", `<testsuites><testsuite>${one}</testsuites></testsuite>`, "not well-formed"],
    ["a NUL", suite("\0"), "NUL"],
    ["a test without a name", suite("<testcase/>"), "no name"],
    ["a test in a test", suite(`<testcase name="a">${one}</testcase>`), "<testcase> in <testcase>"],
    ["an unknown element", suite("<tests/>"), "<tests> in <testsuite>"],
    ["more tests said than held", suite(one, ' tests="5"'), "report says 5 tests, holds 1"],
    [
      "fewer failures said than held",
      suite('<testcase name="a"><failure/></testcase>', ' tests="1" failures="0"'),
      "report says 0 failures, holds 1",
    ],
    [
      "fewer skipped said than held",
      suite('<testcase name="a"><skipped/></testcase>', ' skipped="0"'),
      "report says 0 skipped, holds 1",
    ],
    [
      "totals that the suites do not hold",
      `<testsuites tests="2">${suite(one, ' tests="1"')}</testsuites>`,
      "report says 2 tests, holds 1",
    ],
    ["a count that is none", suite(one, ' tests="-1"'), "no count"],
    ["suites in suites without end", `${"<testsuite>".repeat(100)}${"</testsuite>".repeat(100)}`, "nested"],
    ["too many tests", suite(one.repeat(50_001)), "more than 50000 tests"],
    [
      "long names of suites, repeated with every test",
      `${`<testsuite name="${longName}">`.repeat(20)}${'<testcase name="a"/>'.repeat(20_000)}${"</testsuite>".repeat(20)}`,
      "characters together",
    ],
  ])("with %s is refused", (_case, text, fault) => {
    expect(junit(text)).toContain(fault);
  });

  it("is not more than 4 MiB, and UTF-8", () => {
    expect(junit(suite(" ".repeat(4 * 1024 * 1024)))).toContain("at most 4194304");
    expect(states(readTestReport("REPORT_FORMAT_JUNIT", Buffer.from([0x3c, 0xff, 0xfe])))).toBe(
      "the report is not UTF-8",
    );
  });
});

describe("TAP", () => {
  const head = "TAP version 14\n";

  it("is read as 13 and 14", () => {
    expect(tap("TAP version 13\nok 1 - a\r\nnot ok 2\n1..2\n")).toEqual(["passed a", "failed "]);
    expect(tap(`${head}# hello\n1..0 # skip nothing to do\n`)).toEqual([]);
    expect(tap(`${head}1..1\nok 1 - buffered {\n    1..1\n    ok 1 - inner\n}\n`)).toEqual(["passed buffered > inner"]);
  });

  it("counts a parent that fails by itself", () => {
    expect(tap(`${head}# Subtest: p\n    ok 1 - c\n    1..1\nnot ok 1 - p\n1..1\n`)).toEqual([
      "passed p > c",
      "failed p",
    ]);
  });

  it.each([
    ["no version", "1..1\nok 1\n", "does not begin with"],
    ["an old version", "TAP version 12\n1..1\nok 1\n", "does not begin with"],
    ["no plan", `${head}ok 1\n`, "no plan"],
    ["nothing but its version", head, "no plan"],
    ["a plan for more", `${head}1..3\nok 1\nok 2\n`, "report says 3 tests, holds 2"],
    ["a plan for less", `${head}1..1\nok 1\nok 2\n`, "report says 1 tests, holds 2"],
    ["two plans", `${head}1..1\nok 1\n1..1\n`, "not TAP"],
    ["points after 1..0", `${head}1..0\nok 1\n`, 'not TAP: "ok'],
    ["a bail out", `${head}1..2\nok 1\nBail out! no disk\n`, "bailed out: no disk"],
    ["a bail out in a subtest", `${head}# Subtest: p\n    ok 1\n    Bail out!\n`, "bailed out"],
    ["a subtest without a plan", `${head}1..1\n# Subtest: p\n    ok 1\nok 1 - p\n`, "no plan"],
    [
      "a subtest with another plan",
      `${head}1..1\n# Subtest: p\n    1..2\n    ok 1\nok 1 - p\n`,
      'report says 2 tests, holds 1 (subtest "p")',
    ],
    ["other output", `${head}1..1\nhello\nok 1\n`, 'not TAP: "hello'],
    ["a pragma", `${head}pragma -strict\n1..1\nok 1\n`, "pragma"],
    ["a cut YAML block", `${head}1..1\nok 1\n  ---\n  a: 1\n`, "cut off"],
    [
      "subtests without end",
      `${head}${Array.from({ length: 70 }, (_, depth) => `${"    ".repeat(depth)}# Subtest: x\n`).join("")}`,
      "deeper than 64",
    ],
    ["too many tests", `${head}${"ok\n".repeat(50_001)}1..50001\n`, "more than 50000 tests"],
    [
      "long names of subtests, repeated with every test",
      `${head}${Array.from({ length: 20 }, (_, depth) => `${"    ".repeat(depth)}# Subtest: ${longName}\n`).join("")}${`${"    ".repeat(20)}ok\n`.repeat(20_000)}1..1\n`,
      "characters together",
    ],
    ["too many lines", `${head}${"1..1\n".repeat(200_001)}`, "lines that matter"],
  ])("with %s is refused", (_case, text, fault) => {
    expect(tap(text)).toContain(fault);
  });
});

it("no format is no report", () => {
  expect(readTestReport("REPORT_FORMAT_UNSPECIFIED", Buffer.from(suite(one)))).toHaveProperty("fault");
});
