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
const corpus = (name: string) => readFileSync(resolve(import.meta.dirname, "../../../test/corpus/reports", name));
const junit = (...cases: string[]) => read("JUNIT", `<testsuite>${cases.join("")}</testsuite>`);
const named = (...names: string[]) => junit(...names.map((name) => `<testcase name="${name}"/>`));
const skipped = (name: string) => `<testcase name="${name}"><skipped/></testcase>`;
const nodes = (name: string, file: string, inner = "") =>
  `<testcase name="${name}" classname="test" file="/workspace/${file}">${inner}</testcase>`;
const tap = (...points: string[]) => read("TAP", `TAP version 13\n${points.join("\n")}\n1..${points.length}\n`);
const change = (kind: "ADDED" | "MODIFIED" | "DELETED", path: string): PatchChange => ({
  ...{ kind: `CHANGE_KIND_${kind}`, path, added: [] },
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
      read("JUNIT", corpus("pytest-addresses-1.xml")),
      read("JUNIT", corpus("pytest-addresses-2.xml")),
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
    expect(gone(tap("ok 1 - adds", "ok 2 - invoice.js"), tap(...after), changes)).toEqual([
      expect.stringMatching(/^"invoice\.js" is (not there any more|skipped now)$/),
    ]);
  });

  it.each([change("DELETED", "test/helper.js"), change("MODIFIED", "test/helper.js")])(
    "is a file without tests when the base had it and it changes: %j",
    (changed) => {
      expect(gone(tap("ok 1 - adds", "ok 2 - test/helper.js"), tap("ok 1 - adds"), [changed])).toEqual([]);
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
