import { createHash } from "node:crypto";
import type { EffectivePolicyJson } from "../../gen/automation/v1/policy_pb.ts";
import type {
  CaptureJson,
  ChangeJson,
  TestRunJson,
  UploadJson,
  WorkReportJson,
} from "../../gen/automation/v1/run_work_pb.ts";
import type { VerdictLineJson } from "../../gen/automation/v1/verdict_pb.ts";
import type { FoundTestsJson, WorkFindingsJson } from "../../gen/automation/v1/work_findings_pb.ts";
import { cutText, shownText } from "../../text/strangers-text.ts";
import type { Evidence } from "../evidence.ts";
import { sizeOf } from "../upload-rules.ts";
import { checkPatch, faultsOfSize, lineOf, lineOfSize } from "./exit-gate/check-patch.ts";
import type { PatchChange } from "./exit-gate/patch-change.ts";
import { linkMode, PatchError, PatchTooLargeError } from "./exit-gate/patch-change.ts";
import { readPatch } from "./exit-gate/read-patch.ts";
import type { TreeLink } from "./exit-gate/tree-names.ts";
import type { ReportedTest } from "./test-report/reported-test.ts";
import { maxReportBytes } from "./test-report/reported-test.ts";
import type { TestFinding } from "./test-report/test-finding.ts";
import type { TestReport } from "./test-report/test-report.ts";
import { readTestReport } from "./test-report/test-report.ts";
import { lineOfKept } from "./tests-kept-line.ts";

/** What a worker left behind. */
export interface Work {
  readonly report: WorkReportJson;
  readonly uploads: readonly UploadJson[];
}

const vantage = "worker-observed";
const longestWhy = 500;
const longestDetail = 2_000;
type SizeOfUpload = (sha256: string | undefined) => number;
type ReadUpload = (sha256: string | undefined) => Promise<Uint8Array | { readonly fault: string }>;

/**
 * Judges a worker's report by what it uploaded, and by nothing that it only says: every object is hashed again, test reports are read again, and what changed is
 * taken from the patch. The worker is believed in what it alone can see: exit codes, and which tree the tests ran on.
 * @param read - gives an object of the uploads by its sha256, empty when it is not there; rejects when it can't tell, and so does this
 */
export async function evaluateWork(
  work: Work,
  policy: EffectivePolicyJson,
  read: (sha256: string) => Promise<Uint8Array>,
): Promise<Found> {
  const uploaded = new Set(work.uploads.map(({ sha256 }) => sha256));
  const readUpload: ReadUpload = async (sha256 = "") => {
    if (!uploaded.has(sha256)) return { fault: `it is not among the uploads (sha256 ${sha256 || "not named"})` };
    const bytes = await read(sha256);
    const isSame = createHash("sha256").update(bytes).digest("hex") === sha256;
    return isSame ? bytes : { fault: `the object is not the one with sha256 ${sha256}` };
  };
  const sizes = new Map(work.uploads.map((upload) => [upload.sha256, sizeOf(upload)]));
  const sizeOfUpload = (sha256: string | undefined) => sizes.get(sha256) ?? 0;
  const { capture, tests = [], documents = [], baseLinks = [] } = work.report;
  const links = baseLinks.map(({ path = "", target = "" }) => ({ path, target }));
  const gate =
    capture === undefined ? nothingCaptured : await judgeCapture(capture, links, policy, { readUpload, sizeOfUpload });
  // One after the other: each may be as large as a report may be.
  const judged: TestFinding[] = [];
  for (const run of tests) judged.push(await judgeTests(run, capture, { readUpload, sizeOfUpload }));
  const findings = judged.filter(({ run }) => run.onBase !== true);
  const kept = documents.filter(({ sha256 }) => uploaded.has(sha256));
  return {
    evidence: [
      ...findings.map(({ outcome, detail }) => ({
        ...{ kind: "test-result", outcome, vantage },
        ...(outcome === "PASSED" ? {} : { why: shownText(detail, longestWhy) }),
      })),
      ...gate.evidence,
      ...kept.map(() => ({ kind: "document", outcome: "KEPT", vantage })),
    ],
    lines: [...gate.lines, ...linesOfTests(judged, gate.changes)],
    tests: judged.map(foundTests),
  };
}

/** Of a list of names of tests. */
export const mostNames = 1_000;
const longestName = 300;

function foundTests({ run, outcome, detail, report }: TestFinding): FoundTestsJson {
  const namesOf = (state: ReportedTest["state"]) =>
    (report?.tests ?? [])
      .filter((test) => test.state === state)
      .slice(0, mostNames)
      .map(({ name }) => cutText(name, longestName));
  return {
    ...{ run, outcome, detail: shownText(detail, longestDetail) },
    ...(report === undefined ? {} : { counts: report.counts }),
    ...{ passed: namesOf("passed"), failed: namesOf("failed") },
    ...{ errored: namesOf("errored"), skipped: namesOf("skipped") },
  };
}

/** `WorkFindings`, with every part of it. */
interface Found extends WorkFindingsJson {
  readonly evidence: Evidence[];
  readonly lines: VerdictLineJson[];
  readonly tests: FoundTestsJson[];
}

interface Gate {
  readonly changes: readonly PatchChange[];
  readonly evidence: readonly Evidence[];
  readonly lines: readonly VerdictLineJson[];
}

const nothingCaptured: Gate = {
  evidence: [],
  changes: [],
  lines: [
    lineOf("capture-complete", ["nothing was captured"], {
      met: "",
      remedy: "See why the run ended, in its reason and its logs; resolve that and ask for a new run.",
    }),
  ],
};

const gitFolder = "git_folder";
const shownRepositories = 3;

/** The patch is uploaded once, and everything about changes is taken from it. */
async function judgeCapture(
  capture: CaptureJson,
  baseLinks: readonly TreeLink[],
  policy: EffectivePolicyJson,
  { readUpload, sizeOfUpload }: { readonly readUpload: ReadUpload; readonly sizeOfUpload: SizeOfUpload },
): Promise<Gate> {
  const complete = lineOf("capture-complete", faultsOfCapture(capture), {
    met: `the tree holds everything that was in the workspace, except what the base ignores${repositoriesIn(capture)}`,
    remedy: "Remove what is named here from the workspace, or have the base ignore it, and ask for a new run.",
  });
  const { changes = [], patchSha256 } = capture;
  const beyond = faultsOfSize({ sizeBytes: sizeOfUpload(patchSha256), files: changes.length }, policy);
  if (beyond.length > 0) return unread(complete, beyond);
  const patch = await readUpload(patchSha256);
  const read = "fault" in patch ? { fault: `the patch: ${patch.fault}` } : readChanges(patch, changes, baseLinks);
  const remedy = "The worker's patch and its report must say the same; have the operator look at the worker.";
  if ("beyond" in read) return unread(complete, [read.beyond]);
  if ("fault" in read || "fault" in patch) {
    const fault = "fault" in read ? read.fault : "";
    return { evidence: [], changes: [], lines: [complete, lineOf("exit-gate-patch", [fault], { met: "", remedy })] };
  }
  const met = `the patch holds what was reported, and nothing else (${read.changes.length})`;
  return {
    evidence: [{ kind: "diff", outcome: outcomeOfDiff(capture, read.changes), vantage }],
    changes: read.changes,
    lines: [
      complete,
      lineOf("exit-gate-patch", [], { met, remedy }),
      ...checkPatch({ changes: read.changes, baseLinks, sizeBytes: patch.byteLength }, policy),
    ],
  };
}

/** What is beyond a limit is not read: its size is all that is known of it. */
function unread(complete: VerdictLineJson, faults: readonly string[]): Gate {
  const patch = lineOf("exit-gate-patch", ["it was not read, since it is beyond a limit (exit-gate-size)"], {
    met: "",
    remedy: "See exit-gate-size.",
  });
  return { evidence: [], changes: [], lines: [lineOfSize(faults, ""), complete, patch] };
}

function outcomeOfDiff({ partial }: CaptureJson, changes: readonly PatchChange[]): string {
  if (partial === true) return "PARTIAL";
  return changes.length === 0 ? "UNCHANGED" : "CAPTURED";
}

function faultsOfCapture({ partial, skipped = [] }: CaptureJson): string[] {
  if (partial !== true) return [];
  const lost = skipped.filter(({ reason = "" }) => !["ignored", gitFolder].includes(reason));
  const told = lost.map(({ path, reason }) => `${path} (${reason})`);
  return told.length === 0 ? ["the capture is partial"] : told.map((each) => `left out: ${each}`);
}

/** Those that were made in the workspace: git has no place for one in a tree. */
function repositoriesIn({ skipped = [] }: CaptureJson): string {
  const paths = skipped.filter(({ reason }) => reason === gitFolder).map(({ path }) => path);
  if (paths.length === 0) return "";
  const more = paths.length > shownRepositories ? ` and ${paths.length - shownRepositories} more` : "";
  return `, and git's own folder of each repository that was made in it: ${paths.slice(0, shownRepositories).join(", ")}${more}`;
}

/** Of a file that was only renamed the patch does not show the mode: there the report's is taken. */
function readChanges(
  patch: Uint8Array,
  reported: readonly ChangeJson[],
  baseLinks: readonly TreeLink[],
): { readonly changes: readonly PatchChange[] } | { readonly fault: string } | { readonly beyond: string } {
  let changes: readonly PatchChange[];
  try {
    changes = readPatch(patch, reported.length);
  } catch (error) {
    if (error instanceof PatchTooLargeError) return { beyond: error.message };
    if (error instanceof PatchError) return { fault: error.message };
    throw error;
  }
  const byPath = new Map(reported.map((change) => [change.path, change]));
  if (changes.length !== reported.length || byPath.size !== reported.length)
    return { fault: `the patch changes ${changes.length} files, ${reported.length} were reported` };
  const known = changes.map((change) => {
    const mode = byPath.get(change.path)?.mode;
    return change.kind === "CHANGE_KIND_RENAMED" && change.mode === undefined && mode ? { ...change, mode } : change;
  });
  const other = known.find((change) => !isSame(change, byPath.get(change.path)));
  if (other !== undefined) return { fault: `the patch changes ${other.path} in another way than was reported` };
  const links = new Set(baseLinks.map(({ path }) => path));
  const unlike = changes.find((change) => !isLinkAsTold(change, links));
  if (unlike === undefined) return { changes: known };
  return { fault: `the patch and the links told of the base differ in whether ${unlike.path} was a link` };
}

/** Where the patch shows what was there before, the links that were told of the base say the same. */
function isLinkAsTold({ kind, path, previousPath, previousMode }: PatchChange, links: ReadonlySet<string>): boolean {
  if (kind === "CHANGE_KIND_ADDED") return !links.has(path);
  return previousMode === undefined || links.has(previousPath ?? path) === (previousMode === linkMode);
}

function isSame(change: PatchChange, reported: ChangeJson | undefined): boolean {
  return (
    change.kind === reported?.kind &&
    (change.previousPath ?? "") === (reported.previousPath ?? "") &&
    (change.mode ?? "") === (reported.mode ?? "")
  );
}

async function judgeTests(
  run: TestRunJson,
  capture: CaptureJson | undefined,
  { readUpload, sizeOfUpload }: { readonly readUpload: ReadUpload; readonly sizeOfUpload: SizeOfUpload },
): Promise<TestFinding> {
  if ((run.reportSha256 ?? "") === "") {
    const reason = run.reason || "no reason was given";
    return { run, outcome: "FAILED", detail: `the tests left no report: ${reason}` };
  }
  const bytes =
    sizeOfUpload(run.reportSha256) > maxReportBytes
      ? { fault: `it has ${sizeOfUpload(run.reportSha256)} bytes; at most ${maxReportBytes} are read` }
      : await readUpload(run.reportSha256);
  const report = "fault" in bytes ? bytes : readTestReport(run.format ?? "REPORT_FORMAT_UNSPECIFIED", bytes);
  if ("fault" in report) return { run, outcome: "FAILED", detail: `the report does not count: ${report.fault}` };
  const fault = faultOfRun(run, report, capture);
  return { run, outcome: fault === undefined ? "PASSED" : "FAILED", report, detail: fault ?? told(report) };
}

function faultOfRun(run: TestRunJson, report: TestReport, capture: CaptureJson | undefined): string | undefined {
  const { passed = 0, failed = 0, errored = 0 } = report.counts;
  if (run.gitTree === undefined || run.gitTree !== capture?.gitTree)
    return `the tests ran on tree ${run.gitTree || "unknown"}, captured was ${capture?.gitTree || "none"}`;
  if (failed + errored > 0) {
    const names = report.tests.filter(({ state }) => state === "failed" || state === "errored").map(({ name }) => name);
    const more = names.length - 5;
    const shown = names.slice(0, 5).map((name) => shownText(name, 200));
    return `${told(report)}: ${shown.join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
  }
  if (run.exitCode !== 0)
    return `the tests ended with ${run.exitCode === undefined ? "no exit code" : `exit code ${run.exitCode}`}, though their report has no failure`;
  if (passed === 0) return `no test was executed (${told(report)})`;
  return undefined;
}

function told({ counts }: TestReport): string {
  const { passed = 0, failed = 0, errored = 0, skipped = 0 } = counts;
  return `${passed} passed, ${failed} failed, ${errored} errored, ${skipped} skipped`;
}

/** One for each test step: a guard that has nothing to look at has its line, too. */
function linesOfTests(judged: readonly TestFinding[], changes: readonly PatchChange[]): VerdictLineJson[] {
  return [...Map.groupBy(judged, ({ run }) => run.stepId ?? "")].map(([stepId, runs]) =>
    lineOfKept(stepId, {
      base: runs.find(({ run }) => run.onBase === true),
      capture: runs.find(({ run }) => run.onBase !== true),
      changes,
    }),
  );
}
