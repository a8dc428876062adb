import { isDeepStrictEqual } from "node:util";
import type { StepJson } from "../gen/automation/v1/automation_plan_pb.ts";
import type {
  CaptureJson,
  KeptDocumentJson,
  TestRunJson,
  UploadJson,
  WorkReportJson,
} from "../gen/automation/v1/run_work_pb.ts";
import type { RunRow } from "../runs/run-store.ts";

/** A report with content that its sender may not report. */
export class InvalidReportError extends Error {
  override readonly name = "InvalidReportError";
  readonly code = "invalid_report";
}

const gitId = /^[0-9a-f]{40}$/;

/**
 * Checks that a report can be one of this run: its steps are the segment's, its capture is of the run's own base, and every object it names is among the uploads.
 * Whether the work is good enough is not checked here; a report of FAILED work is accepted, too.
 * @throws InvalidReportError that names the field, its value and the rule
 */
export function assertReport(
  report: WorkReportJson,
  uploads: readonly UploadJson[],
  run: Pick<RunRow, "pins" | "baseCommit">,
  /** Of the segment. */
  steps: readonly StepJson[],
): void {
  const { attempt = 0, outcome, cause = "", sandbox, capture, tests = [], documents = [] } = report;
  if (attempt < 1) refuse("attempt", attempt, "must count from 1");
  const isDone = outcome === "WORK_OUTCOME_DONE";
  if (!isDone && outcome !== "WORK_OUTCOME_FAILED") refuse("outcome", outcome, "must be DONE or FAILED");
  if (!isDone && !/^[a-z][a-z_]{0,62}$/.test(cause)) refuse("cause", cause, "must be a code, for FAILED");
  if (sandbox !== undefined && sandbox.isolation !== run.pins?.isolation)
    refuse("sandbox.isolation", sandbox.isolation, `must be the run's, ${run.pins?.isolation ?? "none"}`);
  if (isDone && sandbox === undefined) refuse("sandbox", "", "must tell where DONE work was done");
  if (isDone && capture === undefined) refuse("capture", "", "must tell what DONE work became");
  const sent: Sent = (kind, sha256 = "", name) =>
    uploads.some((each) => each.kind === kind && each.sha256 === sha256 && (name === undefined || each.name === name));
  assertSteps(report, steps, isDone);
  if (capture !== undefined) assertCapture(capture, run, sent);
  for (const test of tests) assertTest(test, stepOf(steps, "tests", test.stepId), sent);
  assertOnce("tests", tests, ({ stepId, onBase }) => `${stepId}${onBase === true ? " on the base" : ""}`);
  for (const document of documents) assertDocument(document, stepOf(steps, "documents", document.stepId), sent);
  assertOnce("documents", documents, ({ stepId = "" }) => stepId);
  if (isDone) assertWhole(report, steps);
}

/** DONE work has run every test step of the segment on its capture, and kept every document. */
function assertWhole({ tests = [], documents = [] }: WorkReportJson, steps: readonly StepJson[]): void {
  const tested = new Set(tests.filter(({ onBase }) => onBase !== true).map(({ stepId }) => stepId));
  const kept = new Set(documents.map(({ stepId }) => stepId));
  const untested = steps.find(({ id, test }) => test !== undefined && !tested.has(id));
  if (untested !== undefined) refuse("tests", untested.id, "must be told of every test step, on the capture");
  const unkept = steps.find(({ id, document }) => document !== undefined && !kept.has(id));
  if (unkept !== undefined) refuse("documents", unkept.id, "must be told of every document step");
}

type Sent = (kind: string, sha256: string | undefined, name?: string) => boolean;

function assertSteps({ steps: reported = [] }: WorkReportJson, steps: readonly StepJson[], isDone: boolean): void {
  for (const { stepId } of reported) stepOf(steps, "steps", stepId);
  assertOnce("steps", reported, ({ stepId = "" }) => stepId);
  if (!isDone) return;
  const undone = steps.find((step) => reported.find(({ stepId }) => stepId === step.id)?.state !== "STEP_STATE_DONE");
  if (undone !== undefined) refuse("steps", undone.id, "must be DONE when the work is, like every step of the plan");
}

function assertCapture(capture: CaptureJson, run: Pick<RunRow, "pins" | "baseCommit">, sent: Sent): void {
  const { repositoryId = "", ref = "", baseCommit, gitCommit = "", gitTree = "", patchSha256 } = capture;
  const { id = "", ref: pinnedRef = "" } = run.pins?.repository ?? {};
  if (repositoryId !== id || ref !== pinnedRef)
    refuse("capture.ref", `${repositoryId} ${ref}`, `must be the run's, ${id} ${pinnedRef}`);
  if (run.baseCommit === null || baseCommit !== run.baseCommit)
    refuse("capture.base_commit", baseCommit, `must be the run's, ${run.baseCommit ?? "which no report has told yet"}`);
  if (!gitId.test(gitCommit)) refuse("capture.git_commit", gitCommit, "must be 40 lower-case hex digits");
  if (!gitId.test(gitTree)) refuse("capture.git_tree", gitTree, "must be 40 lower-case hex digits");
  if (!sent("patch", patchSha256)) refuse("capture.patch_sha256", patchSha256, "must be among the uploads, as patch");
}

function assertTest({ argv = [], format, gitTree = "", reportSha256 = "" }: TestRunJson, step: StepJson, sent: Sent) {
  if (step.test === undefined || !isDeepStrictEqual(argv, step.test.argv) || format !== step.test.format)
    refuse("tests.argv", argv.join(" "), `must be what step ${step.id} of the plan runs, with its format`);
  if (!gitId.test(gitTree)) refuse("tests.git_tree", gitTree, "must be 40 lower-case hex digits");
  if (reportSha256 !== "" && !sent("report", reportSha256))
    refuse("tests.report_sha256", reportSha256, "must be among the uploads, as report");
}

function assertDocument({ path, mediaType, typeKey, sha256 }: KeptDocumentJson, step: StepJson, sent: Sent): void {
  if (!isDeepStrictEqual({ path, mediaType, typeKey }, step.document))
    refuse("documents.path", path, `must be what step ${step.id} of the plan keeps, with its types`);
  const name = `documents/${path}`;
  if (!sent("document", sha256, name)) refuse("documents.sha256", sha256, `must be among the uploads, as ${name}`);
}

function stepOf(steps: readonly StepJson[], field: string, stepId: string | undefined): StepJson {
  return steps.find(({ id }) => id === stepId) ?? refuse(`${field}.step_id`, stepId, "must be a step of the plan");
}

function assertOnce<T>(field: string, items: readonly T[], keyOf: (item: T) => string): void {
  const twice = [...Map.groupBy(items, keyOf)].find(([, same]) => same.length > 1);
  if (twice !== undefined) refuse(field, twice[0], "must be reported once");
}

function refuse(field: string, value: unknown, rule: string): never {
  throw new InvalidReportError(
    `report.${field} is ${JSON.stringify(value ?? "")}; it ${rule}: have the operator look at the worker`,
  );
}
