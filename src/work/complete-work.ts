import type { ObjectStore } from "../artifacts/object-store.ts";
import { findVersion } from "../definitions/definition-store.ts";
import type { StepJson } from "../gen/automation/v1/automation_plan_pb.ts";
import type { UploadJson, WorkReportJson } from "../gen/automation/v1/run_work_pb.ts";
import type { FoundTestsJson } from "../gen/automation/v1/work_findings_pb.ts";
import type { CompleteArtifactUploadsResponseJson } from "../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import type { InRun, OpenRun } from "../runs/in-run.ts";
import type { RunRow } from "../runs/run-store.ts";
import { assertSpeaksFor } from "../runs/speaker.ts";
import type { EventDraft } from "../runs/stream/chain-events.ts";
import { shownText, storableJson } from "../text/strangers-text.ts";
import type { Examine } from "./examine/examiner/examiner.ts";
import type { SegmentAttempt, WorkScope } from "./late-attempt.ts";
import { assertAttempt, segmentOf } from "./late-attempt.ts";
import { builderIdOf, withIssuer } from "./run-evidence.ts";
import { assertUploads } from "./upload-rules.ts";
import { verifyUploads } from "./verify-uploads.ts";
import { assertReport } from "./work-report-rules.ts";
import type { ExaminedWork, ReportedWork } from "./work-report-store.ts";
import { findWork, insertWork } from "./work-report-store.ts";

const toldNames = 50;
const toldNameLength = 200;

/**
 * Completes a segment of a run's work. First, outside of a transaction, every object is digested again and the work is examined. Then one transaction stores the report and the findings, and appends the test results as events.
 * The first report of a segment is final: a repeated call, and a call of a later attempt, get that one. Artifacts are listed only after the run is sealed.
 * @throws UnknownRunError, UnknownSegmentError, SupersededExecutionError, RunEndedError, InvalidUploadsError, InvalidReportError, MissingUploadError, AlteredObjectError, NoTurnError, the signal's reason
 */
export function createCompleteWork(deps: {
  readonly inRun: InRun;
  readonly objects: Pick<ObjectStore, "digestOf">;
  readonly examine: Examine;
  /** `proof.baseUri` of the operator. */
  readonly baseUri: string;
  readonly now: () => Date;
}) {
  return async (
    scope: WorkScope,
    told: ReportedWork,
    signal: AbortSignal,
  ): Promise<CompleteArtifactUploadsResponseJson> => {
    const work = storableJson<{ readonly report: WorkReportJson; readonly uploads: UploadJson[] }>({
      report: told.report,
      uploads: [...told.uploads],
    });
    const attempt = { segment: work.report.segment ?? 0, number: work.report.attempt ?? 0 };
    const before = await deps.inRun(scope, (open) => lookBefore(open, scope, attempt));
    if ("answer" in before) return before.answer;
    assertUploads(work.uploads);
    assertReport(work.report, work.uploads, before.run, before.steps);
    await verifyUploads(deps.objects, scope, work.uploads, signal);
    const { evidence = [], ...found } = await deps.examine(before.run, work, signal);
    const issuer = builderIdOf(deps.baseUri, before.run);
    const findings = { ...found, evidence: evidence.map((each) => withIssuer(each, issuer, deps.now())) };

    return deps.inRun(scope, async (open) => {
      const recorded = await recordedAnswer(open, scope, attempt);
      if (recorded !== undefined) return recorded;
      await assertAttempt(open, attempt);
      await keep(open, attempt, { ...work, findings });
      return { desiredState: `DESIRED_STATE_${open.run.desiredState}`, report: work.report };
    });
  };
}

/** @returns the recorded answer; if there is none, what the report is checked against */
async function lookBefore(
  open: OpenRun,
  scope: WorkScope,
  attempt: SegmentAttempt,
): Promise<
  | { readonly answer: CompleteArtifactUploadsResponseJson }
  | { readonly run: RunRow; readonly steps: readonly StepJson[] }
> {
  const answer = await recordedAnswer(open, scope, attempt);
  if (answer !== undefined) return { answer };
  const { run, transaction } = open;
  await assertAttempt(open, attempt);
  const selector = { id: run.definitionId, version: run.definitionVersion };
  const version = await findVersion(transaction, run.tenant, selector);
  const { stepIds = [] } = segmentOf(run, attempt.segment);
  return { run, steps: (version?.plan.steps ?? []).filter(({ id = "" }) => stepIds.includes(id)) };
}

async function recordedAnswer(
  { run, transaction }: OpenRun,
  { tenant, runId, execution }: WorkScope,
  { segment }: SegmentAttempt,
): Promise<CompleteArtifactUploadsResponseJson | undefined> {
  assertSpeaksFor(run, execution);
  const recorded = await findWork(transaction, tenant, runId, segment);
  return recorded && { desiredState: `DESIRED_STATE_${run.desiredState}`, report: recorded.report };
}

async function keep(open: OpenRun, { segment }: SegmentAttempt, work: ExaminedWork): Promise<void> {
  const segmentKey = `work/${open.run.generation}/${segment}`;
  const events = (work.findings.tests ?? []).map((found) => testsRead(segmentKey, found));
  await Promise.all([
    insertWork(open.transaction, open.run, work),
    ...(events.length === 0 ? [] : [open.append(events)]),
  ]);
}

function testsRead(
  segmentKey: string,
  { run = {}, counts, detail = "", failed = [], errored = [] }: FoundTestsJson,
): EventDraft {
  const { stepId, onBase = false } = run;
  const names = [...failed, ...errored].slice(0, toldNames).map((name) => shownText(name, toldNameLength));
  return {
    writerKey: `${segmentKey}/tests/${stepId}${onBase ? "/base" : ""}`,
    tests: { stepId, onBase, ...(counts === undefined ? { fault: detail } : { counts, failed: names }) },
  };
}
