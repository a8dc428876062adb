import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { sha256Hex } from "../../../src/artifacts/blobs.ts";
import { compilePolicy } from "../../../src/definitions/policy/policy-layers.ts";
import type { AutomationPlanJson } from "../../../src/gen/automation/v1/automation_plan_pb.ts";
import type {
  RunPinsJson,
  TestRunJson,
  UploadJson,
  WorkReportJson,
} from "../../../src/gen/automation/v1/run_work_pb.ts";
import type { RequirementJson } from "../../../src/gen/governance/v1/profile_pb.ts";
import type { SealScope } from "../../../src/seal/run-so-far.ts";
import { canonicalDigest } from "../../../src/text/canonical-json.ts";
import type { Sealing } from "../worlds/sealing.ts";

/** A file of work, before it is uploaded. */
export interface SentFile {
  readonly name: string;
  readonly kind: string;
  readonly mediaType: string;
  readonly text: string;
}

export interface Sent {
  readonly report: WorkReportJson;
  readonly files: readonly SentFile[];
}

type Seal = ReturnType<Sealing["wire"]>;

export const worked: readonly RequirementJson[] = [
  { id: "tests-passed", kind: "test-result", outcome: "PASSED", vantage: "worker-observed", remedy: "Mend the tests." },
  { id: "changed", kind: "diff", outcome: "CAPTURED", remedy: "Change something." },
  { id: "noted", kind: "document", remedy: "Write docs/note.md." },
];

const argv = ["node", "--test"];
const unit = { argv, reportPath: "report.xml", format: "REPORT_FORMAT_JUNIT" } as const;
export const plan: AutomationPlanJson = {
  steps: [
    { id: "fix", agent: { persona: { id: "test-fixer" } } },
    { id: "unit", test: unit },
    { id: "note", document: { path: "docs/note.md", mediaType: "text/markdown", typeKey: "ameide:document" } },
  ],
};

/** What a worker of these files would report: `src/sum.js` mended, a note written, the tests green; in a real git repository, so that its ids and patch are git's. */
export function makeWork() {
  const dir = mkdtempSync(join(tmpdir(), "worked-run-"));
  const git = (...args: string[]) =>
    execFileSync("git", args, {
      cwd: dir,
      encoding: "utf8",
      env: {
        PATH: process.env.PATH,
        HOME: dir,
        GIT_CONFIG_NOSYSTEM: "1",
        GIT_AUTHOR_NAME: "a",
        GIT_AUTHOR_EMAIL: "a@example.com",
        GIT_AUTHOR_DATE: "2026-01-01T00:00:00Z",
        ...{
          GIT_COMMITTER_NAME: "a",
          GIT_COMMITTER_EMAIL: "a@example.com",
          GIT_COMMITTER_DATE: "2026-01-01T00:00:00Z",
        },
      },
    });
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  };
  const commit = (message: string) => {
    git("add", "--all");
    git("commit", "--quiet", "--message", message);
    return { commit: git("rev-parse", "HEAD").trim(), tree: git("rev-parse", "HEAD^{tree}").trim() };
  };
  git("init", "--quiet", "--initial-branch=main");
  write("src/sum.js", "export const sum = (a, b) => a - b;\n");
  write("test/sum.test.js", "// adds\n");
  const base = commit("base");
  write("src/sum.js", "export const sum = (a, b) => a + b;\n");
  const note = "# Note\n\nIt adds now.\n";
  write("docs/note.md", note);
  const captured = commit("captured");
  const patch = git("diff", "--binary", "--full-index", "-M", base.commit, captured.commit);

  const policy = compilePolicy([
    {
      layer: "platform",
      policy: { limits: { patchBytes: "1048576", changedFiles: 100 }, paths: { deny: ["test/**"] } },
    },
  ]);
  const pins: RunPinsJson = {
    repository: { id: "webshop", url: "https://git.example/webshop.git", ref: "main" },
    personas: [{ stepId: "fix", id: "test-fixer", version: "1", digest: sha256Hex("persona") }],
    policy,
    policyDigest: canonicalDigest(policy),
    isolation: "ISOLATION_CLASS_UID",
    segments: [{ segment: 1, stepIds: ["fix", "unit", "note"] }],
  };
  const green = suite('<testcase name="adds"/>', '<testcase name="later"><skipped/></testcase>');
  const red = suite('<testcase name="adds"><failure message="x"/></testcase>');
  const run: TestRunJson = { stepId: "unit", argv, format: "REPORT_FORMAT_JUNIT" };
  const honest: Sent = {
    report: {
      segment: 1,
      attempt: 1,
      outcome: "WORK_OUTCOME_DONE",
      steps: ["fix", "unit", "note"].map((stepId) => ({ stepId, state: "STEP_STATE_DONE" })),
      capture: {
        repositoryId: "webshop",
        ref: "main",
        baseCommit: base.commit,
        gitCommit: captured.commit,
        gitTree: captured.tree,
        patchSha256: sha256Hex(patch),
        changes: [
          { path: "docs/note.md", kind: "CHANGE_KIND_ADDED", mode: "100644", sizeBytes: String(note.length) },
          { path: "src/sum.js", kind: "CHANGE_KIND_MODIFIED", mode: "100644", sizeBytes: "36" },
        ],
      },
      tests: [
        { ...run, onBase: true, gitTree: base.tree, exitCode: 1, reportSha256: sha256Hex(red) },
        { ...run, gitTree: captured.tree, exitCode: 0, reportSha256: sha256Hex(green) },
      ],
      documents: [{ stepId: "note", ...plan.steps?.[2]?.document, sha256: sha256Hex(note) }],
      sandbox: {
        isolation: "ISOLATION_CLASS_UID",
        claims: [{ id: "network", held: true }],
        engine: "bubblewrap",
        kernel: "6",
      },
    },
    files: [
      { name: "changes.patch", kind: "patch", mediaType: "text/x-diff", text: patch },
      { name: "tests/base/unit.xml", kind: "report", mediaType: "application/xml", text: red },
      { name: "tests/unit.xml", kind: "report", mediaType: "application/xml", text: green },
      { name: "documents/docs/note.md", kind: "document", mediaType: "text/markdown", text: note },
      { name: "logs/fix.log", kind: "log", mediaType: "text/plain", text: "mended src/sum.js\n" },
    ],
  };
  return {
    dir,
    git,
    base,
    captured,
    patch,
    note,
    green,
    red,
    honest,
    work: { plan, pins, baseCommit: base.commit },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** Work with another report of its tests on the capture. */
export function otherReport({ report, files }: Sent, text: string): Sent {
  const tests = report.tests?.map((test) => (test.onBase ? test : { ...test, reportSha256: sha256Hex(text) }));
  return {
    report: { ...report, tests },
    files: files.map((file) => (file.name === "tests/unit.xml" ? { ...file, text } : file)),
  };
}

export const suite = (...cases: string[]) => `<testsuite tests="${cases.length}">${cases.join("")}</testsuite>`;

export function uploadOf({ name, kind, mediaType, text }: SentFile): UploadJson {
  return { name, kind, mediaType, sha256: sha256Hex(text), sizeBytes: String(Buffer.byteLength(text)) };
}

/** Stores files as a worker does: with its grants. */
export async function put(seal: Seal, scope: SealScope, files: readonly SentFile[], attempt = 1): Promise<void> {
  if (files.length === 0) return;
  const { grants = [] } = await seal.grant(scope, {
    attempt: { segment: 1, number: attempt },
    uploads: files.map(uploadOf),
  });
  for (const [index, { present, url = "", headers = {} }] of grants.entries()) {
    if (present === true) continue;
    const answer = await fetch(url, { method: "PUT", headers, body: files[index]?.text });
    if (!answer.ok && answer.status !== 412) throw new Error(`PUT answered ${answer.status}: ${await answer.text()}`);
  }
}

/** Stores the files, then closes the work. */
export async function complete(seal: Seal, scope: SealScope, { report, files }: Sent) {
  await put(seal, scope, files, report.attempt);
  return seal.complete(scope, { report, uploads: files.map(uploadOf) });
}
