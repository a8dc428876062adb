import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { TestReport } from "./test-report.ts";
import { readTestReport } from "./test-report.ts";

const states = (report: TestReport | { readonly fault: string }) =>
  "fault" in report ? report.fault : report.tests.map(({ name, state }) => `${state} ${name}`);
const junit = (text: string) => states(readTestReport("REPORT_FORMAT_JUNIT", Buffer.from(text)));
const tap = (text: string) => states(readTestReport("REPORT_FORMAT_TAP", Buffer.from(text)));

describe("a report by node:test", () => {
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
    expect(junit(`<?xml version="1.0"?>\n<!-- hello -- -->\n${suite(one)}`)).toEqual(["passed c > a"]);
    expect(junit(`\n <?xml version="1.0"?>${suite(one)}`)).toEqual(["passed c > a"]);
    expect(junit(suite('<testcase name="&lt;&#65;&#x42;&gt;"/>', ' name="s"'))).toEqual(["passed s > <AB>"]);
    expect(junit(suite('<testcase name="a"><failure/><skipped/></testcase>'))).toEqual(["failed a"]);
    expect(junit(suite('<testcase name="a" classname="a"/><testcase name="" classname="c"/>'))).toEqual([
      "passed a",
      "passed c",
    ]);
  });

  it.each([
    ["elements that nobody knows", `<warning/><x:y/><testcase name="a"><warning/><output><b/></output></testcase>`],
    ["a processing instruction", `<?xml-stylesheet href="x"?><testcase name="a"/>`],
    ["text that is not XML to the letter", '<system-out>]]></system-out><!-- a -- b --><testcase name="a"/>'],
    ["tests within an unknown element", '<group><testcase name="a"/></group>'],
    ["a retry that passed", '<testcase name="a"><flakyFailure><stackTrace/></flakyFailure></testcase>'],
  ])("may hold %s", (_case, content) => {
    expect(junit(suite(content))).toEqual(["passed a"]);
  });

  it.each(['tests="7"', 'tests="0"', 'tests="x" skipped="9" disabled="3"', 'failures="" errors="0"'])(
    "is what its tests are, whatever a suite counts: %s",
    (counts) => {
      expect(junit(`<testsuites ${counts}>${suite(one, ` ${counts}`)}</testsuites>`)).toEqual(["passed c > a"]);
    },
  );

  it.each([
    ["failures", suite(one, ' name="s" failures="1"'), ["passed c > a", "failed s"]],
    ["errors", suite(one, ' name="s" errors="2"'), ["passed c > a", "errored s"]],
    [
      "failures of all suites",
      `<testsuites failures="1">${suite(one)}</testsuites>`,
      ["passed c > a", "failed the report as a whole"],
    ],
    [
      "failures of a suite and of those around it",
      `<testsuites failures="1">${suite(suite(one, ' name="t" failures="1"'), ' name="s" failures="1"')}</testsuites>`,
      ["passed c > a", "failed s > t"],
    ],
    ["errors of a suite without tests", suite("", ' name="s" errors="1"'), ["errored s"]],
    ["an element of its own", suite(`${one}<error/>`, ' name="s"'), ["passed c > a", "failed s"]],
    [
      "in a suite beside one that lists its failure",
      `<testsuites failures="2">${suite('<testcase name="b"><failure/></testcase>', ' failures="1"')}${suite(one, ' name="s" failures="1"')}</testsuites>`,
      ["failed b", "passed c > a", "failed s"],
    ],
  ])("has a failure that a suite announces and does not list: %s", (_case, text, tests) => {
    expect(junit(text)).toEqual(tests);
  });

  it("has one failure for each that is listed, whatever a suite announces beside", () => {
    const todo = '<testcase name="b"><skipped type="todo"/><failure/></testcase>';
    expect(junit(suite(todo, ' failures="1"'))).toEqual(["skipped b"]);
    expect(junit(suite('<testcase name="b"><error/></testcase>', ' failures="1" errors="0"'))).toEqual(["errored b"]);
    expect(junit(suite('<testcase name="b"><rerunFailure/></testcase>'))).toEqual(["failed b"]);
  });

  it.each([
    'status="disabled"',
    'status="notrun"',
    'status="not run"',
    'status="Skipped"',
    'status="pending"',
    'status="notrun" result="suppressed"',
    'status="run" result="skipped"',
    'result="ignored"',
    'executed="false"',
    'executed="No"',
    'disabled="true"',
    'ignored="1"',
    'skipped="TRUE"',
    'status="whatever"',
    'outcome="inactive"',
  ])("takes no test for executed that says %s", (attributes) => {
    for (const head of ["", ' tests="1" skipped="0" disabled="1"', ' tests="1" skipped="1"'])
      expect(junit(suite(`<testcase name="a" ${attributes}/>`, head))).toEqual(["skipped a"]);
    expect(junit(suite(`<testcase name="a" ${attributes}><failure/></testcase>`))).toEqual(["failed a"]);
  });

  it.each(["skipped", "ignored", "disabled", "pending", "notrun"])(
    "takes no test for executed that has <%s>",
    (name) => {
      expect(junit(suite(`<testcase name="a"><${name}/></testcase>`))).toEqual(["skipped a"]);
    },
  );

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

  it("shows characters that XML does not allow, raw or by number", () => {
    const name = "\u001b[31m &#27; &#x1B; &#0; \0 \ufffe &#xD800; &#9999999;";
    expect(junit(suite(`<testcase name="${name}"/>`))).toEqual(["passed ␛[31m ␛ ␛ ␀ ␀ � � �"]);
    expect(junit(suite('<testcase name="&#10;&#9;é&#x1F600;"/>'))).toEqual(["passed \n\té😀"]);
  });

  it.each([
    ["a document type", `<!DOCTYPE x>${suite(one)}`, "document type (DTD); none is read"],
    ["a DTD with entities", `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>${suite(one)}`, "document type"],
    ["a document type that follows", `${suite(one)}<!DOCTYPE x>`, "doctype"],
    ["an entity of its own", suite('<testcase name="&e;"/>'), "undefined entity"],
    ["a second declaration", `${suite(one)}<?xml version="1.0"?>`, "not well-formed"],
    ["another root", "<html/>", "root is <html>"],
    ["two roots", suite(one) + suite(one), "not well-formed"],
    ["nothing", "", "not well-formed"],
    ["no XML", "ok 1 - a", "not well-formed"],
    ["a cut", `<testsuite>${one}`, "not well-formed"],
    ["a cut name", '<testsuite><testcase name="a', "not well-formed"],
    ["a cut comment", `${suite(one)}<!-- x`, "not well-formed"],
    ["a cut text", "<testsuite><system-out><![CDATA[ok", "not well-formed"],
    ["crossed tags", `<testsuites><testsuite>${one}</testsuites></testsuite>`, "not well-formed"],
    ["an attribute twice", suite('<testcase name="a" name="b"/>'), "not well-formed"],
    ["a test without a name", suite("<testcase/>"), "no name"],
    ["a test in a test", suite(`<testcase name="a">${one}</testcase>`), "in another one"],
    ["a count of failures that is none", suite(one, ' failures="-1"'), "no count"],
    ["suites in suites without end", `${"<testsuite>".repeat(100)}${"</testsuite>".repeat(100)}`, "deeper than 64"],
    ["elements without end", suite(`${"<a>".repeat(100)}${"</a>".repeat(100)}`), "deeper than 64"],
    ["too many tests", suite(one.repeat(50_001)), "more than 50000 tests"],
    [
      "long names of suites, repeated with every test",
      `${`<testsuite name="${longName}">`.repeat(20)}${'<testcase name="a"/>'.repeat(20_000)}${"</testsuite>".repeat(20)}`,
      "characters together",
    ],
    ["more than 4 MiB", suite(" ".repeat(4 * 1024 * 1024)), "at most 4194304"],
  ])("with %s is refused", (_case, text, fault) => {
    expect(junit(text)).toContain(fault);
  });
});

describe("the encoding of a report", () => {
  const xml = (encoding: string) => `<?xml version="1.0" encoding="${encoding}"?>${suite('<testcase name="é"/>')}`;
  const utf16 = (text: string) => Buffer.from(text, "utf16le");
  it.each<[string, Buffer]>([
    ["UTF-8", Buffer.from(xml("UTF-8"))],
    ["UTF-8 with a byte order mark", Buffer.from(`\ufeff${xml("utf-8")}`)],
    ["UTF-8 that says it is ASCII", Buffer.from(xml("US-ASCII"))],
    ["UTF-8 that says it is UTF-16", Buffer.from(xml("utf-16"))],
    ["UTF-16", utf16(xml("UTF-16"))],
    ["UTF-16 with a byte order mark", utf16(`\ufeff${xml("UTF-16")}`)],
    ["big-endian UTF-16", utf16(`\ufeff${xml("UTF-16")}`).swap16()],
    ["ISO-8859-1", Buffer.from(xml("ISO-8859-1"), "latin1")],
    ["windows-1252", Buffer.from(xml("windows-1252"), "latin1")],
  ])("may be %s", (_case, bytes) => {
    expect(states(readTestReport("REPORT_FORMAT_JUNIT", bytes))).toEqual(["passed é"]);
  });

  it("may be that of a shell which writes UTF-16", () => {
    const text = utf16("\ufeffTAP version 13\r\nok 1 - é\r\n1..1\r\n");
    expect(states(readTestReport("REPORT_FORMAT_TAP", text))).toEqual(["passed é"]);
  });

  it("does not matter where bytes are none of it", () => {
    const bytes = Buffer.from('<testsuite><testcase name="\xff"/></testsuite>', "latin1");
    expect(states(readTestReport("REPORT_FORMAT_JUNIT", bytes))).toEqual(["passed �"]);
  });

  it("is refused when nobody knows it", () => {
    expect(junit(xml("x-nowhere"))).toContain("its encoding is x-nowhere, which is not known; write it in UTF-8");
  });
});

describe("TAP", () => {
  const head = "TAP version 14\n";

  it.each<[string, string, string[]]>([
    ["13, with CRLF", "TAP version 13\r\nok 1 - a\r\nnot ok 2\r\n1..2\r\n", ["passed a", "failed "]],
    ["12, which has no version line", "1..2\nok 1 - a\nnot ok 2 - b\n", ["passed a", "failed b"]],
    ["after a byte order mark", "\ufeff1..1\nok 1 - a\n", ["passed a"]],
    ["with a plan that skips all", `${head}# hello\n1..0 # skip nothing to do\n`, []],
    ["without numbers", `${head}1..2\nok - a\nok b\n`, ["passed a", "passed b"]],
    ["with numbers in any order", `${head}1..3\nok 2 - a\nok 3 - b\nok 1 - c\n`, ["passed a", "passed b", "passed c"]],
    ["with a number twice", `${head}1..2\nok 1 - a\nok 1 - b\n`, ["passed a", "passed b"]],
    ["with numbers and no dashes", `1..2\nok 1 1 item\nok 2 404 page\n`, ["passed 1 item", "passed 404 page"]],
    ["with names that begin with numbers", `1..2\nok 404 page\nok 2 items\n`, ["passed 404 page", "passed 2 items"]],
    ["with no number in one", `1..2\nok 1 item\nok no items\n`, ["passed 1 item", "passed no items"]],
    ["with one number for several names", `1..2\nok 1 item\nok 1 page\n`, ["passed 1 item", "passed 1 page"]],
    ["with a dash in the name", `1..2\nok 1 - -1 is less\nok 2 - - a\n`, ["passed -1 is less", "passed - a"]],
    [
      "with directives in any case",
      `1..3\nok 1 a # SkIp\nnot ok 2 - b # todo: later\nok # Skipped: c\n`,
      ["skipped a", "skipped b", "skipped "],
    ],
    ["with a test that failed and was skipped", `1..1\nnot ok 1 - a # SKIP later\n`, ["skipped a"]],
    [
      "with a failure that looks skipped",
      `1..2\nnot ok 1 - a # skipper\nnot ok 2 - b #todo-list\n`,
      ["failed a # skipper", "failed b #todo-list"],
    ],
    [
      "with escapes",
      `1..3\nok 1 - a \\# skip\nok 2 - b \\\\# skip\nok 3 - c\\\\\\# skip\n`,
      ["passed a # skip", "skipped b \\", "passed c\\# skip"],
    ],
    ["with other sharps", `1..2\nok 1 - a # b # skip\nok 2 - url#skip\n`, ["skipped a # b", "passed url#skip"]],
    [
      "with output between",
      `1..2\nhello\n\n  ok 3\n\tok 4\nokay\nok 1 - a\nok: 1\n 1..9\nok 2 - b\n`,
      ["passed a", "passed b"],
    ],
    [
      "with YAML blocks",
      `1..2\nok 1 - a\n  ---\n  not ok 9 - x\n1..7\n  ...\n# c\nok 2 - b\n    ---\n    ...\n`,
      ["passed a", "passed b"],
    ],
    ["with a line in output that begins no YAML", `1..1\nhello\n  ---\nok 1 - a\n`, ["passed a"]],
    ["with pragmas", `${head}pragma +bail\npragma -strict\nhello\n1..1\nok 1 - a\n`, ["passed a"]],
    ["with a subtest", `${head}# Subtest: p\n    ok 1 - a\n    1..1\nok 1 - p\n1..1\n`, ["passed p > a"]],
    ["with a comment in the subtest", `1..1\n    # Subtest: p\n    1..1\n    ok 1 - a\nok 1 - p\n`, ["passed p > a"]],
    ["with a subtest that has no comment", `1..1\n    1..1\n    ok 1 - a\nok 1 - p\n`, ["passed p > a"]],
    [
      "with subtests in subtests",
      `${head}        ok 1 - a\n        1..1\n    ok 1 - b\n    1..1\nok 1 - c\n1..1\n`,
      ["passed c > b > a"],
    ],
    [
      "with a subtest in braces",
      `${head}1..2\nok 1 - p # time=5.1ms {\n    1..1\n    ok 1 - a\n}\nok 2 - opens {\n`,
      ["passed p > a", "passed opens {"],
    ],
    [
      "with braces after YAML",
      `1..1\nnot ok 1 - p\n  ---\n  x: 1\n  ...\n{\n    1..1\n    not ok 1 - a\n}\n`,
      ["failed p > a"],
    ],
    [
      "with a parent that fails by itself",
      `${head}    ok 1 - a\n    1..1\nnot ok 1 - p\n1..1\n`,
      ["passed p > a", "failed p"],
    ],
    [
      "with a parent that passes in spite of a failure",
      `1..1\n    1..1\n    not ok 1 - a\nok 1 - p\n`,
      ["failed p > a"],
    ],
    [
      "with a parent still to do",
      `1..1\n    1..2\n    not ok 1 - a\n    ok 2 - b\nnot ok 1 - p # TODO\n`,
      ["skipped p > a", "skipped p > b"],
    ],
    [
      "with a subtest that executed nothing",
      `1..2\n    1..0 # skip no disk\nok 1 - p\n    1..0\nnot ok 2 - q\n`,
      ["skipped p", "failed q"],
    ],
    ["with a separator of lines in a name", `1..1\nok 1 - a\u2028b # skip\n`, ["skipped a\u2028b"]],
  ])("is read %s", (_case, text, tests) => {
    expect(tap(text)).toEqual(tests);
  });

  it("is not read as passed when a line was cut from it", () => {
    const lines = ["1..3", "ok 1 1 item", "ok 2 2 items", "not ok 3 3 items"];
    expect(tap(lines.join("\n"))).toEqual(["passed 1 item", "passed 2 items", "failed 3 items"]);
    for (const [at] of lines.entries()) expect(tap(lines.toSpliced(at, 1).join("\n"))).toMatch(/no plan|holds 2/);
  });

  it.each([
    ["another version", "TAP version 12\n1..1\nok 1\n", "TAP version 12 is not read"],
    ["no plan", `${head}ok 1\n`, "no plan"],
    ["nothing but its version", head, "no plan"],
    ["nothing", "", "no plan"],
    ["a plan for more", `${head}1..3\nok 1\nok 2\n`, "report says 3 tests, holds 2"],
    ["a plan for less", `${head}1..1\nok 1\nok 2\n`, "report says 1 tests, holds 2"],
    ["two plans", `${head}1..1\nok 1\n1..1\n`, "two plans"],
    ["a plan between", `${head}ok 1\n1..2\nok 2\n`, "between test points"],
    ["points after 1..0", `${head}1..0\nok 1\n`, "report says 0 tests, holds 1"],
    ["a number beyond the plan", "1..2\nok 1 - a\nok 5 - b\n", "test point 5 is none of the 2"],
    ["a bail out", `${head}1..2\nok 1\nBail out! no disk\n`, "bailed out: no disk"],
    ["a bail out in lower case", `1..1\nok 1\nbail out!\n`, "bailed out"],
    ["a bail out in a subtest", `${head}# Subtest: p\n    ok 1\n    Bail out!\n`, "bailed out"],
    ["a subtest without a plan", `${head}1..1\n# Subtest: p\n    ok 1\nok 1 - p\n`, 'no plan (subtest "p")'],
    [
      "a subtest with another plan",
      `${head}1..1\n# Subtest: p\n    1..2\n    ok 1\nok 1 - p\n`,
      'report says 2 tests, holds 1 (subtest "p")',
    ],
    ["a subtest that nothing closes", `1..1\nok 1 - a\n    ok 1 - b\n    1..1\n`, "cut off in a subtest"],
    ["a subtest whose subtest nothing closes", `        ok 1\n        1..1\nok 1 - a\n1..1\n`, "a subtest ends before"],
    ["a brace that nothing closes", `1..2\nok 1 - a {\n    1..1\n    ok 1\nok 2 - b\n`, 'has no "}"'],
    ["other output, where it asks to be strict", `${head}pragma +strict\n1..1\nhello\nok 1\n`, "no TAP"],
    ["a cut YAML block", `${head}1..1\nok 1\n  ---\n  a: 1\n`, "cut off in a YAML block"],
    ["subtests without end", `${head}1..1\n${" ".repeat(4 * 64)}ok 1\n`, "deeper than 64"],
    ["too many tests", `${head}${"ok\n".repeat(50_001)}1..50001\n`, "more than 50000 tests"],
    [
      "long names of subtests, repeated with every test",
      `${"    ".repeat(20)}1..20000\n${`${"    ".repeat(20)}ok\n`.repeat(20_000)}${Array.from({ length: 20 }, (_, up) => `${"    ".repeat(19 - up)}ok - ${longName}\n${"    ".repeat(19 - up)}1..1\n`).join("")}`,
      "characters together",
    ],
  ])("with %s is refused", (_case, text, fault) => {
    expect(tap(text)).toContain(fault);
  });
});

it("no format is no report", () => {
  expect(readTestReport("REPORT_FORMAT_UNSPECIFIED", Buffer.from(suite(one)))).toHaveProperty("fault");
});
