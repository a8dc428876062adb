import type { StepJson } from "../../../src/gen/automation/v1/automation_plan_pb.ts";
import type { KeptDocumentJson, TestRunJson, WorkReportJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import { workSpan } from "../../../src/telemetry/run-spans.ts";
import type { createCaptureTree } from "../capture/capture-tree.ts";
import { CaptureError } from "../capture/enumerate.ts";
import { takeFingerprint } from "../capture/fingerprint.ts";
import { copyTree } from "../repo/copy-tree.ts";
import type { Base, Repositories } from "../repo/git-repositories.ts";
import type { StepEnd } from "../runtimes/step-end.ts";
import type { RunArea } from "../sandbox/area/run-area.ts";
import type { RunFolder } from "../sandbox/area/run-folder.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { captureWork } from "./capture-work.ts";
import { keepDocument } from "./keep-document.ts";
import type { KeptFile } from "./kept-files.ts";
import { changesFile, evidenceFile } from "./kept-files.ts";
import type { PersonaAtWork } from "./persona-at-work.ts";
import type { RunTests } from "./run-tests.ts";
import type { StepRecord } from "./step-record.ts";
import { assertOwnFault, createStepRecord } from "./step-record.ts";
import type { Job } from "./work-job.ts";

export interface WorkRunDeps {
  readonly sandbox: Sandbox;
  readonly area: Pick<RunArea, "faultOfRoom">;
  readonly repositories: Repositories;
  readonly captureTree: ReturnType<typeof createCaptureTree>;
  readonly runTests: RunTests;
  readonly runCommand: (
    what: {
      readonly step: StepJson;
      readonly argv: readonly string[];
      readonly workspace: string;
      readonly home: string;
    },
    job: Job,
    signal: AbortSignal,
  ) => Promise<StepEnd>;
  readonly personaAtWork: PersonaAtWork;
  readonly now: () => Date;
}

/** Everything that one attempt made, before it is uploaded. */
export interface Worked {
  readonly report: WorkReportJson;
  readonly files: readonly KeptFile[];
}

/** Signals of one attempt: `stop` ends what runs, and what was made is still captured; `giveUp` ends everything. */
export interface WorkSignals {
  readonly stop: AbortSignal;
  readonly giveUp: AbortSignal;
}

/**
 * The order of work of one attempt:
 *
 *   1. tests run on the base
 *   2. agent and command steps change a copy of the base, until one fails
 *   3. the copy is captured, with every process that could change it dead
 *   4. documents are read from the capture, and each test runs on a fresh copy of it, unless a step failed
 *
 * A failure on a full disk of the host, and not at a limit of the step's own, says nothing about the work: it is thrown.
 * @throws what prevents the work itself: BaseUnavailableError, BundleAlteredError, SandboxError, HostFaultError, the signals' reasons
 */
export async function workRun(
  deps: WorkRunDeps,
  job: Job,
  base: Base,
  folder: RunFolder,
  signals: WorkSignals,
): Promise<Worked> {
  const steps = job.plan.steps ?? [];
  const record = createStepRecord(deps, job, signals.stop);
  const baseTests: TestRunJson[] = [];
  for (const step of steps.filter(({ test }) => test !== undefined)) {
    const { run, end, files } = await workSpan("test on the base", { stepId: step.id }, () =>
      deps.runTests({ job, step, folder, base, onBase: true }, signals.stop),
    );
    await assertOwnFault(deps, end, signals.stop);
    baseTests.push(run);
    record.keep(files);
  }

  const owner = deps.sandbox.ownerOf(job.slot);
  const diskBytes = Number(job.pins.policy?.limits?.diskBytes);
  const place = await folder.newPlace("work", diskBytes, signals.stop);
  const { workspace, home } = place;
  await place.fill(() => copyTree(base.path, workspace, owner, signals.stop));
  const fingerprint = await takeFingerprint(workspace, signals.stop);
  for (const step of steps.filter(({ agent, command }) => (agent ?? command) !== undefined)) {
    if (record.failure !== undefined) break;
    await record.through(step, () =>
      step.command === undefined
        ? deps.personaAtWork({ job, step, folder, workspace, home, base, baseTests, files: record.files }, signals.stop)
        : deps.runCommand({ step, argv: step.command.argv ?? [], workspace, home }, job, signals.stop),
    );
  }

  await place.settle(signals.giveUp);
  const of = { base, folder, workspace, fingerprint };
  const captured = await workSpan("capture", {}, () => captureWork(deps, job, of, signals.giveUp));
  // what was said before is kept without a capture, too
  if (captured instanceof CaptureError)
    return worked(job, record, { cause: captured.code, reason: captured.message }, { tests: baseTests });
  const { capture, patch, baseLinks, gitDir } = captured;
  record.keep([{ name: "changes.patch", kind: "patch", mediaType: "text/x-diff", bytes: patch }, changesFile(capture)]);

  const tests: TestRunJson[] = [];
  const documents: KeptDocumentJson[] = [];
  for (const step of steps) {
    if (record.failure !== undefined || signals.stop.aborted) break;
    if (step.document !== undefined)
      await record.through(step, async () => {
        const document = await keepDocument(step, { gitDir, capture }, signals.giveUp);
        if ("state" in document) return document;
        documents.push(document.kept);
        record.keep([document.file]);
        return done;
      });
    if (step.test !== undefined)
      await record.through(step, async () => {
        const tested = await deps.runTests(
          { job, step, folder, capture: { gitDir, tree: capture.gitTree ?? "" }, onBase: false },
          signals.stop,
        );
        tests.push(tested.run);
        record.keep(tested.files);
        return tested.end;
      });
  }

  const allTests = [...baseTests, ...tests];
  record.keep([
    evidenceFile({ runId: job.scope.runId, repository: job.pins.repository, capture, tests: allTests, documents }),
  ]);
  const facts = { capture, baseLinks: [...baseLinks], tests: allTests, documents };
  return worked(job, record, signals.stop.aborted ? stopped : undefined, facts);
}

/** @param failure - of the work as a whole; that of a step goes before it */
function worked(
  job: Job,
  record: StepRecord,
  failure: typeof stopped | undefined,
  facts: Pick<WorkReportJson, "capture" | "baseLinks" | "tests" | "documents">,
): Worked {
  const why = record.failure ?? failure;
  return {
    report: {
      segment: job.segment,
      attempt: job.attempt,
      outcome: why === undefined ? "WORK_OUTCOME_DONE" : "WORK_OUTCOME_FAILED",
      ...why,
      steps: [...record.steps],
      ...facts,
      sandbox: job.sandbox,
    },
    files: record.files,
  };
}

const stopped = { cause: "stopped", reason: "the work was asked to end before every step was done" };
const done: StepEnd = { state: "STEP_STATE_DONE", cause: "", reason: "", log: Buffer.alloc(0) };
