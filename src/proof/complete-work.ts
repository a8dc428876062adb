import { objectKeyOf } from "../artifacts/blobs.ts";
import { mapAtMost } from "../artifacts/map-at-most.ts";
import type { ObjectStore } from "../artifacts/object-store.ts";
import { assertUploads, largestUpload } from "../artifacts/upload-rules.ts";
import { verifyUploads } from "../artifacts/verify-uploads.ts";
import { findVersion } from "../definitions/definition-store.ts";
import type { StepJson } from "../gen/automation/v1/automation_plan_pb.ts";
import type { TestsReadJson } from "../gen/automation/v1/run_event_pb.ts";
import type { TestRunJson, UploadJson, WorkReportJson } from "../gen/automation/v1/run_work_pb.ts";
import type { CompleteArtifactUploadsResponseJson } from "../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import type { EventDraft } from "../runs/chain-events.ts";
import type { ExecutionId, InRun, OpenRun } from "../runs/in-run.ts";
import { assertSpeaksFor } from "../runs/in-run.ts";
import type { RunRow } from "../runs/run-store.ts";
import { assertAttempt } from "../runs/work-attempt.ts";
import type { Scope } from "../tenancy/transaction.ts";
import { shownText, storableJson } from "../text/strangers-text.ts";
import { assertReport } from "./report-rules.ts";
import { readAside } from "./test-report/read-aside.ts";
import type { ReportedWork } from "./work-report-store.ts";
import { findWorkReport, insertWorkReport } from "./work-report-store.ts";

export interface WorkScope {
  readonly tenant: string;
  readonly org: string;
  readonly runId: string;
  readonly execution: ExecutionId;
}

type WorkJson = { readonly report: WorkReportJson; readonly uploads: UploadJson[] };

const readAtOnce = 4;
const toldNames = 50;
const toldNameLength = 200;

/**
 * Closes the work of a run. Every object is read and digested again, test reports are read, and then, in one transaction, the report stands and what its tests said becomes events.
 * The first report counts: a repeated call, and a later attempt's, get that one. Nothing is listed before the run is sealed.
 * @throws UnknownRunError, SupersededExecutionError, InvalidUploadsError, InvalidReportError, MissingUploadError, AlteredObjectError
 */
export function createCompleteWork(deps: {
  readonly inRun: InRun;
  readonly objects: Pick<ObjectStore, "digestOf" | "read">;
}) {
  return async (scope: WorkScope, told: ReportedWork): Promise<CompleteArtifactUploadsResponseJson> => {
    const { report, uploads } = storableJson<WorkJson>({ report: told.report, uploads: [...told.uploads] });
    const work: ReportedWork = { report, uploads };
    const attempt = work.report.attempt ?? 0;
    const before = await deps.inRun(scope, (open) => lookBefore(open, scope, attempt));
    if ("answer" in before) return before.answer;
    assertUploads(work.uploads);
    assertReport(work.report, work.uploads, before.run, before.steps);
    await verifyUploads(deps.objects, scope, work.uploads);
    const events = await mapAtMost(readAtOnce, work.report.tests ?? [], async (test) => ({
      writerKey: `work/tests/${test.stepId}${test.onBase === true ? "/base" : ""}`,
      tests: await readTests(deps.objects, scope, test),
    }));

    return deps.inRun(scope, async (open) => {
      const recorded = await recordedAnswer(open, scope);
      if (recorded !== undefined) return recorded;
      await assertAttempt(open, attempt);
      await keep(open, scope, work, events);
      return { desiredState: `DESIRED_STATE_${open.run.desiredState}`, report: work.report };
    });
  };
}

/** @returns the answer when it is recorded; else what the report is checked by */
async function lookBefore(
  open: OpenRun,
  scope: WorkScope,
  attempt: number,
): Promise<
  | { readonly answer: CompleteArtifactUploadsResponseJson }
  | { readonly run: RunRow; readonly steps: readonly StepJson[] }
> {
  const answer = await recordedAnswer(open, scope);
  if (answer !== undefined) return { answer };
  const { run, transaction } = open;
  await assertAttempt(open, attempt);
  const selector = { id: run.definitionId, version: run.definitionVersion };
  const version = await findVersion(transaction, run.tenant, selector);
  return { run, steps: version?.plan.steps ?? [] };
}

async function recordedAnswer(
  { run, transaction }: OpenRun,
  { tenant, runId, execution }: WorkScope,
): Promise<CompleteArtifactUploadsResponseJson | undefined> {
  assertSpeaksFor(run, execution);
  const recorded = await findWorkReport(transaction, tenant, runId);
  return recorded && { desiredState: `DESIRED_STATE_${run.desiredState}`, report: recorded.report };
}

async function keep(open: OpenRun, scope: WorkScope, work: ReportedWork, events: readonly EventDraft[]): Promise<void> {
  await Promise.all([
    insertWorkReport(open.transaction, scope, work),
    ...(events.length === 0 ? [] : [open.append(events)]),
  ]);
}

async function readTests(
  objects: Pick<ObjectStore, "read">,
  owner: Scope,
  { stepId, onBase = false, reportSha256 = "", format, reason = "" }: TestRunJson,
): Promise<TestsReadJson> {
  const told = { stepId, onBase };
  if (reportSha256 === "") return { ...told, fault: `the tests left no report: ${reason || "no reason was given"}` };
  const bytes = await objects.read(objectKeyOf(owner, reportSha256), largestUpload);
  const report = await readAside(format ?? "REPORT_FORMAT_UNSPECIFIED", bytes ?? new Uint8Array());
  if ("fault" in report) return { ...told, fault: report.fault };
  const failed = report.tests
    .filter(({ state }) => state === "failed" || state === "errored")
    .slice(0, toldNames)
    .map(({ name }) => shownText(name, toldNameLength));
  return { ...told, counts: report.counts, failed };
}
