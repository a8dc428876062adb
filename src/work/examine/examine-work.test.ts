import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { MethodGate } from "../../definitions/completion-gate.ts";
import { compilePolicy } from "../../definitions/policy/policy-layers.ts";
import type { ReportFormatJson } from "../../gen/automation/v1/automation_plan_pb.ts";
import type { ChangeJson, TestRunJson, WorkReportJson } from "../../gen/automation/v1/run_work_pb.ts";
import { judgeEvidence } from "../../proof/gates/judge-evidence.ts";
import { examineWork } from "./examine-work.ts";

const tree = "1".repeat(40);
const commit = "3".repeat(40);
const captured = { gitCommit: commit, gitTree: tree };
const baseTree = "2".repeat(40);
const policy = compilePolicy([
  { layer: "platform", policy: { limits: { patchBytes: "100000", changedFiles: 10 } } },
  { layer: "repository", policy: { paths: { deny: ["test/**"] } } },
]);
const gate: MethodGate = {
  method: "scrum",
  id: "definition_of_done",
  requirements: [
    {
      id: "tested",
      kind: "test-result",
      outcome: "PASSED",
      vantage: "worker-observed",
      remedy: "Make the tests pass.",
    },
    { id: "patched", kind: "diff", outcome: "CAPTURED", remedy: "Change something." },
  ],
};

const sectionOf = (path: string, from: string, to: string) =>
  `diff --git a/${path} b/${path}\nindex ${"a".repeat(40)}..${"b".repeat(40)} 100644\n--- a/${path}\n+++ b/${path}\n@@ -1 +1 @@\n-${from}\n+${to}\n`;
const suite = (...cases: string[]) => `<testsuite tests="${cases.length}">${cases.join("")}</testsuite>`;
const passed = (name: string) => `<testcase name="${name}"/>`;
const failed = (name: string) => `<testcase name="${name}"><failure message="x"/></testcase>`;
const skipped = (name: string) => `<testcase name="${name}"><skipped/></testcase>`;
const digestOf = (content: string) => createHash("sha256").update(content).digest("hex");

interface Told {
  readonly patch?: string;
  readonly paths?: readonly string[];
  readonly changes?: ChangeJson[];
  readonly base?: string;
  readonly report?: string;
  readonly format?: ReportFormatJson;
  readonly run?: Partial<TestRunJson>;
  /** Of the base's tests; undefined: they did not run. */
  readonly baseRun?: Partial<TestRunJson> | undefined;
  readonly work?: Partial<WorkReportJson>;
  /** Objects that are another content than their name says. */
  readonly altered?: string;
}

/** Honest work, except for what is told: the base had one failing test, and `src/sum.js` was mended. */
async function evaluate(told: Told = {}) {
  const patch = told.patch ?? sectionOf("src/sum.js", "a - b", "a + b");
  const base = told.base ?? suite(passed("keeps"), failed("adds"));
  const report = told.report ?? suite(passed("keeps"), passed("adds"));
  const objects = new Map([patch, base, report, "# Notes"].map((content) => [digestOf(content), content]));
  const run: TestRunJson = { stepId: "unit", format: told.format ?? "REPORT_FORMAT_JUNIT" };
  const work: WorkReportJson = {
    attempt: 1,
    outcome: "WORK_OUTCOME_DONE",
    capture: {
      gitCommit: commit,
      gitTree: tree,
      patchSha256: digestOf(patch),
      changes:
        told.changes ??
        (told.paths ?? ["src/sum.js"]).map((path) => ({ path, kind: "CHANGE_KIND_MODIFIED", mode: "100644" })),
    },
    tests: [
      ...("baseRun" in told && told.baseRun === undefined
        ? []
        : [{ ...run, onBase: true, gitTree: baseTree, exitCode: 1, reportSha256: digestOf(base), ...told.baseRun }]),
      { ...run, gitTree: tree, exitCode: 0, reportSha256: digestOf(report), ...told.run },
    ],
    documents: [{ stepId: "notes", path: "NOTES.md", sha256: digestOf("# Notes") }],
    ...told.work,
  };
  const sizeOf = (sha256: string) => Buffer.byteLength(objects.get(sha256) ?? "");
  const uploads = [...objects.keys()].map((sha256) => ({
    name: sha256,
    kind: "report",
    sha256,
    sizeBytes: String(sizeOf(sha256)),
  }));
  const read = async (sha256: string) => Buffer.from(`${objects.get(sha256)}${sha256 === told.altered ? "!" : ""}`);
  const findings = await examineWork({ report: work, uploads }, policy, read);
  const verdict = judgeEvidence(gate, findings.evidence, findings.lines);
  const unmet = (verdict.lines ?? []).filter(({ state }) => state !== "LINE_STATE_MET");
  return { ...findings, verdict, unmet: unmet.map(({ requirementId, detail }) => `${requirementId}: ${detail}`) };
}

describe("honest work", () => {
  it("passes, and each thing that was looked at has its line and its evidence", async () => {
    const { verdict, evidence, lines, tests } = await evaluate();
    expect(verdict).toMatchObject({ passed: true, level: "SCRUM_DEFINITION_OF_DONE" });
    expect(lines.map(({ requirementId }) => requirementId)).toEqual([
      "steps-done",
      "capture-complete",
      "exit-gate-patch",
      "exit-gate-paths",
      "exit-gate-symlinks",
      "exit-gate-size",
      "exit-gate-secrets",
      "tests-kept-unit",
    ]);
    expect(evidence).toEqual([
      { id: "test-result/unit", kind: "test-result", outcome: "PASSED", vantage: "worker-observed", tree: captured },
      { id: "diff", kind: "diff", outcome: "CAPTURED", vantage: "worker-observed", tree: captured },
      { id: "document/notes", kind: "document", outcome: "KEPT", vantage: "worker-observed", tree: captured },
    ]);
    expect(tests).toMatchObject([
      { run: { onBase: true }, outcome: "FAILED", failed: ["adds"] },
      { outcome: "PASSED", detail: "2 passed, 0 failed, 0 errored, 0 skipped", passed: ["keeps", "adds"] },
    ]);
  });

  it("has evidence about the tree that its tests ran on, whichever it was", async () => {
    const other = "4".repeat(40);
    const { evidence } = await evaluate({ run: { gitTree: other } });
    expect(evidence[0]).toMatchObject({ id: "test-result/unit", outcome: "FAILED", tree: { gitTree: other } });
    expect(evidence[0]?.tree).not.toHaveProperty("gitCommit");
  });

  it("may add tests, and mend a file that could not be loaded", async () => {
    const base = suite(
      passed("keeps"),
      '<testcase name="test/sum.test.js" classname="test" file="/workspace/test/sum.test.js"><failure/></testcase>',
    );
    expect((await evaluate({ base, report: suite(passed("keeps"), passed("adds"), passed("new")) })).unmet).toEqual([]);
  });
});

describe("the line about kept tests, when the base does not say what it executed,", () => {
  const fixed: Told = { report: suite(passed("adds")) };
  it.each<[string, Told, string]>([
    [
      "has no readable report",
      { base: "no report" },
      "on the base the report does not count: the report is not well-formed XML",
    ],
    [
      "left no report",
      { baseRun: { reportSha256: "", reason: "the tests wrote no report.xml" } },
      "on the base the tests left no report: the tests wrote no report.xml",
    ],
    ["was not uploaded", { baseRun: { reportSha256: "c".repeat(64) } }, "not among the uploads"],
    ["was not tested", { baseRun: undefined }, "the tests did not run on the base"],
    [
      "has an empty report of tests that failed to start",
      { base: suite(), baseRun: { exitCode: 2 } },
      "its tests ended with exit code 2, and it has no failure",
    ],
    [
      "has a report that ends early",
      { base: suite(passed("adds")), baseRun: { exitCode: 139 } },
      "its tests ended with exit code 139, and it has no failure",
    ],
    [
      "was stopped",
      { base: suite(passed("adds")), baseRun: { exitCode: undefined } },
      "its tests ended with no exit code",
    ],
  ])("is there and not met: it %s", async (_case, told, why) => {
    const { lines, verdict } = await evaluate({ ...fixed, ...told });
    const line = lines.find(({ requirementId }) => requirementId === "tests-kept-unit");
    expect(line).toMatchObject({
      state: "LINE_STATE_MISSING",
      detail: expect.stringContaining(why),
      remedy: expect.stringContaining("acceptsUntestedBase"),
    });
    expect(verdict.passed).toBe(false);
    const accepting = judgeEvidence(
      { ...gate, acceptsUntestedBase: true },
      (await evaluate({ ...fixed, ...told })).evidence,
      lines,
    );
    expect(accepting.passed).toBe(true);
    expect(accepting.lines).toContainEqual({
      requirementId: "tests-kept-unit",
      state: "LINE_STATE_MET",
      detail: `${line?.detail}; the profile accepts that`,
    });
  });

  it("is not met by what it lists and the capture does not have, whatever the profile accepts", async () => {
    const { lines, evidence } = await evaluate({ base: suite(passed("gone")), baseRun: { exitCode: 1 }, ...fixed });
    const { passed: isPassed } = judgeEvidence({ ...gate, acceptsUntestedBase: true }, evidence, lines);
    expect([isPassed, lines.at(-1)]).toMatchObject([
      false,
      { state: "LINE_STATE_FAILED", detail: '"gone" is not there any more' },
    ]);
  });

  it.each<[string, Told, string]>([
    [
      "executed no test and ended well",
      { base: suite(), baseRun: { exitCode: 0 } },
      "the base executed no test, so none can be missing",
    ],
    [
      "has names that change by themselves",
      { base: suite(passed("p at 0x7f01"), failed("adds")), report: suite(passed("p at 0x7f02"), passed("adds")) },
      "every test that the base executed was executed (2); 1 of them under a name",
    ],
  ])("is met and says why: it %s", async (_case, told, detail) => {
    const { lines, unmet } = await evaluate({ ...fixed, ...told });
    expect(unmet).toEqual([]);
    expect(lines.at(-1)?.detail).toContain(detail);
  });
});

describe("what is told of the base's links", () => {
  it("gives changed paths their names through them", async () => {
    const { unmet } = await evaluate({ work: { baseLinks: [{ path: "test", target: "src" }] } });
    expect(unmet).toEqual([
      `exit-gate-paths: src/sum.js was changed: a checkout may also name it test/sum.js, protected by repository's rule "test/**"`,
    ]);
  });

  const [zero, blob] = ["0".repeat(40), "1".repeat(40)];
  const deleted = `diff --git a/lib b/lib\ndeleted file mode 120000\nindex ${blob}..${zero}\n--- a/lib\n+++ /dev/null\n@@ -1 +0,0 @@\n-src\n`;
  const added = `diff --git a/lib b/lib\nnew file mode 100644\nindex ${zero}..${blob}\n--- /dev/null\n+++ b/lib\n@@ -0,0 +1 @@\n+x\n`;
  it.each<[string, Told]>([
    [
      "leave out one that the patch deletes",
      { patch: deleted, changes: [{ path: "lib", kind: "CHANGE_KIND_DELETED" }] },
    ],
    ["name one that the patch shows as a file", { work: { baseLinks: [{ path: "src/sum.js", target: "x" }] } }],
    [
      "name one that the patch adds",
      {
        patch: added,
        changes: [{ path: "lib", kind: "CHANGE_KIND_ADDED", mode: "100644" }],
        work: { baseLinks: [{ path: "lib", target: "x" }] },
      },
    ],
  ])("must not %s", async (_case, told) => {
    const { unmet } = await evaluate(told);
    expect(unmet.join()).toMatch(
      /exit-gate-patch: the patch and the links told of the base differ in whether \S+ was a link/,
    );
  });
});

describe("a trick with tests does not pass, and the verdict says why:", () => {
  const tricks: readonly [string, Told, string][] = [
    [
      // What the base ignores is not in the tree that is tested, so the edited runner never runs there.
      "an edited runner in an ignored folder",
      { report: suite(passed("keeps"), failed("adds")), run: { exitCode: 1 } },
      "1 failed, 0 errored, 0 skipped: adds",
    ],
    [
      "a report of its own instead of the tests'",
      { run: { reportSha256: "", reason: "the tests wrote no reports/unit.xml" } },
      "the tests left no report: the tests wrote no reports/unit.xml",
    ],
    ["a report that was never uploaded", { run: { reportSha256: "c".repeat(64) } }, "not among the uploads"],
    ["deleted tests", { report: suite(passed("keeps")) }, 'tests-kept-unit: "adds" is not there any more'],
    [
      "one of two tests with the same name deleted",
      { base: suite(failed("adds"), passed("adds")), report: suite(passed("adds")) },
      'tests-kept-unit: "adds" is not there any more (1 of 2 left)',
    ],
    ["skipped tests", { report: suite(passed("keeps"), skipped("adds")) }, 'tests-kept-unit: "adds" is skipped now'],
    [
      "an edited test",
      { patch: sectionOf("test/sum.test.js", "3", "4"), paths: ["test/sum.test.js"] },
      `exit-gate-paths: test/sum.test.js was changed: protected by repository's rule "test/**"`,
    ],
    ["a DTD", { report: `<!DOCTYPE x>${suite(passed("keeps"), passed("adds"))}` }, "document type (DTD)"],
    [
      "wrong counts",
      { report: suite(passed("keeps"), passed("adds")).replace('tests="2"', 'tests="3" failures="1"') },
      "2 passed, 1 failed, 0 errored, 0 skipped: the report as a whole",
    ],
    ["exit code 0 with failures", { report: suite(passed("keeps"), failed("adds")) }, "1 passed, 1 failed, 0 errored"],
    ["failures that only the exit code tells", { run: { exitCode: 1 } }, "ended with exit code 1, though"],
    ["tests that a signal ended", { run: { exitCode: undefined } }, "ended with no exit code"],
    ["a report of another tree", { run: { gitTree: baseTree } }, `ran on tree ${baseTree}, captured was ${tree}`],
    ["zero tests", { base: suite(), report: suite() }, "no test was executed"],
    ["only skipped tests", { base: suite(), report: suite(skipped("adds")) }, "no test was executed"],
    [
      "a file without tests, that counts as one",
      { base: suite(), report: suite('<testcase name="test/sum.test.js" classname="test"/>') },
      "no test was executed",
    ],
    [
      "zero tests in TAP",
      { format: "REPORT_FORMAT_TAP", base: "", report: "TAP version 13\n1..0\n" },
      "no test was executed",
    ],
  ];

  it.each(tricks)("%s", async (_trick, told, reason) => {
    const { verdict, unmet, tests } = await evaluate(told);
    expect(verdict.passed).toBe(false);
    expect([...unmet, ...tests.map(({ detail }) => detail)].join("\n")).toContain(reason);
  });
});

describe("work that contradicts its objects does not pass:", () => {
  const patch = sectionOf("src/sum.js", "a - b", "a + b");

  it("a patch of other bytes than its digest says", async () => {
    const { unmet } = await evaluate({ altered: digestOf(patch) });
    expect(unmet.join()).toContain("exit-gate-patch: the patch: the object is not the one with sha256");
  });

  it("a report of other bytes than its digest says", async () => {
    const altered = digestOf(suite(passed("keeps"), passed("adds")));
    expect((await evaluate({ altered })).tests[1]).toMatchObject({ outcome: "FAILED" });
  });

  it.each([
    ["more files than were reported", { patch: patch + sectionOf("x", "a", "b") }, "changes 2 files, 1 were reported"],
    ["another file than was reported", { paths: ["src/other.js"] }, "changes src/sum.js in another way"],
    [
      "another mode than was reported",
      { patch: patch.replace("100644", "100755") },
      "changes src/sum.js in another way",
    ],
    ["what is no patch", { patch: "hello\n" }, "the patch can't be read"],
  ])("%s", async (_case, told, reason) => {
    const { unmet, verdict } = await evaluate(told);
    expect(verdict.passed).toBe(false);
    expect(unmet.join()).toContain(reason);
  });

  it("a partial capture, naming what was left out", async () => {
    const capture = {
      gitCommit: commit,
      gitTree: tree,
      patchSha256: digestOf(patch),
      changes: [{ path: "src/sum.js", kind: "CHANGE_KIND_MODIFIED", mode: "100644" }],
      partial: true,
      skipped: [
        { path: "node_modules", reason: "ignored" },
        { path: ".git", reason: "git_folder" },
        { path: "big.bin", reason: "oversize" },
      ],
    } as const;
    const { unmet, evidence } = await evaluate({
      work: { capture: { ...capture, changes: [...capture.changes], skipped: [...capture.skipped] } },
    });
    expect(unmet).toContain("capture-complete: left out: big.bin (oversize)");
    expect(evidence).toContainEqual(expect.objectContaining({ kind: "diff", outcome: "PARTIAL" }));
  });

  it("tests that ran on the base alone", async () => {
    const base = suite(failed("adds"));
    const tests: TestRunJson[] = [
      { stepId: "unit", onBase: true, format: "REPORT_FORMAT_JUNIT", reportSha256: digestOf(base), exitCode: 1 },
    ];
    const { unmet } = await evaluate({ base, work: { tests } });
    expect(unmet).toContain("tests-kept-unit: the tests did not run on the captured tree");
  });

  it.each([
    [
      "changed_files",
      { patch: "not read", paths: Array.from({ length: 11 }, (_, at) => `a${at}`) },
      "11 files changed",
    ],
    ["patch_bytes", { patch: "x".repeat(100_001) }, "the patch has 100001 bytes, the limit is 100000 (patch_bytes)"],
  ])("what is beyond %s, and it is not even read", async (_limit, told, fault) => {
    const { unmet, evidence } = await evaluate(told);
    expect(unmet.join("\n")).toContain(`exit-gate-size: ${fault}`);
    expect(unmet.join("\n")).toContain("exit-gate-patch: it was not read, since it is beyond a limit");
    expect(evidence.map(({ kind }) => kind)).not.toContain("diff");
  });

  it("no capture at all", async () => {
    const { unmet } = await evaluate({ work: { capture: undefined } });
    expect(unmet.join()).toContain("capture-complete: nothing was captured");
  });

  it("no change at all", async () => {
    const { unmet, evidence } = await evaluate({ patch: "", paths: [] });
    expect(evidence).toContainEqual(expect.objectContaining({ kind: "diff", outcome: "UNCHANGED" }));
    expect(unmet.join()).toContain("patched: diff states UNCHANGED, CAPTURED is required");
  });
});

it("a store that can't be read is no verdict", async () => {
  const uploads = [{ sha256: "a".repeat(64) }];
  const report = { capture: { patchSha256: "a".repeat(64) } };
  const read = () => Promise.reject(new Error("store is down"));
  await expect(examineWork({ report, uploads }, policy, read)).rejects.toThrow("store is down");
});
