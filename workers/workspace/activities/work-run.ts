import type { StepJson } from "../../../src/gen/automation/v1/automation_plan_pb.ts";
import type {
  CaptureJson,
  KeptDocumentJson,
  StepReportJson,
  TestRunJson,
  WorkReportJson,
} from "../../../src/gen/automation/v1/run_work_pb.ts";
import { CaptureError } from "../capture/capture-error.ts";
import type { createCaptureTree } from "../capture/capture-tree.ts";
import { changesFile, evidenceFile } from "../capture/evidence-files.ts";
import { takeFingerprint } from "../capture/fingerprint.ts";
import { readCaptured } from "../capture/read-captured.ts";
import { HostFaultError, hostFaultOf } from "../host/host-fault.ts";
import { copyTree } from "../repo/copy-tree.ts";
import type { Base, Repositories } from "../repo/git-repositories.ts";
import type { StepEnd, Tell } from "../runtimes/step-end.ts";
import type { RunArea } from "../sandbox/area/run-area.ts";
import type { RunFolder } from "../sandbox/area/run-folder.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import type { PersonaAtWork } from "./persona-at-work.ts";
import type { RunTests } from "./run-tests.ts";
import type { KeptFile } from "./upload-work.ts";
import { sha256Of } from "./upload-work.ts";
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

/** Everything one attempt made, before it is uploaded. */
export interface Worked {
  readonly report: WorkReportJson;
  readonly files: readonly KeptFile[];
}

/** Signals of one attempt: `stop` ends what runs, what was made is still captured; `giveUp` ends everything. */
export interface WorkSignals {
  readonly stop: AbortSignal;
  readonly giveUp: AbortSignal;
}

const captureFiles = 200_000;
const captureDepth = 100;
const captureFileBytes = 64 * 1024 * 1024;
const documentBytes = 16 * 1024 * 1024;

/**
 * The order of work: the base is copied into a box of its own, tests look at the base, agent and command steps change the copy, everything is dead, what is there is captured;
 * documents are read from the capture and each test runs on a fresh copy of it. A step that fails ends the changing; what was made until then is captured all the same.
 * What fails on a full disk of the host, and not at a limit of its own, says nothing of the work: it is thrown.
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
  const made = createMade(deps, job, signals.stop);
  const baseTests: TestRunJson[] = [];
  for (const step of steps.filter(({ test }) => test !== undefined)) {
    const { run, end, files } = await deps.runTests({ job, step, folder, base, onBase: true }, signals.stop);
    await assertOwnFault(deps, end, signals.stop);
    baseTests.push(run);
    made.keep(files);
  }

  const owner = deps.sandbox.ownerOf(job.slot);
  const diskBytes = Number(job.pins.policy?.limits?.diskBytes);
  const place = await folder.newPlace("work", diskBytes, signals.stop);
  const { workspace, home } = place;
  await place.fill(() => copyTree(base.path, workspace, owner, signals.stop));
  const fingerprint = await takeFingerprint(workspace, signals.stop);
  for (const step of steps.filter(({ agent, command }) => (agent ?? command) !== undefined)) {
    if (made.failure !== undefined) break;
    await made.through(step, () =>
      step.command === undefined
        ? deps.personaAtWork({ job, step, folder, workspace, home, base, baseTests, files: made.files }, signals.stop)
        : deps.runCommand({ step, argv: step.command.argv ?? [], workspace, home }, job, signals.stop),
    );
  }

  await place.settle(signals.giveUp);
  const captured = await deps
    .captureTree(
      {
        slot: job.slot,
        runId: job.scope.runId,
        repository: { id: job.pins.repository?.id ?? "", ref: job.pins.repository?.ref ?? "" },
        base,
        workspace,
        fingerprint,
        home: await folder.newFolder("capture-home"),
        gitDir: `${folder.dir}/capture.git`,
        limits: {
          files: captureFiles,
          bytes: diskBytes,
          depth: captureDepth,
          fileBytes: captureFileBytes,
          patchBytes: Number(job.pins.policy?.limits?.patchBytes),
        },
      },
      signals.giveUp,
    )
    .catch(async (error: unknown) => {
      if (!(error instanceof CaptureError) || hostFaultOf(error) !== undefined) throw error;
      await assertRoom(deps);
      return error;
    });
  // without a capture what was said until then is kept all the same
  if (captured instanceof CaptureError)
    return worked(job, made, { cause: captured.code, reason: captured.message }, { tests: baseTests });
  const { capture, patch, baseLinks, gitDir } = captured;
  await job.tell({ captured: capturedEvent(capture) });
  made.keep([{ name: "changes.patch", kind: "patch", mediaType: "text/x-diff", bytes: patch }, changesFile(capture)]);

  const tests: TestRunJson[] = [];
  const documents: KeptDocumentJson[] = [];
  for (const step of steps) {
    if (made.failure !== undefined || signals.stop.aborted) break;
    if (step.document !== undefined)
      await made.through(step, async () => {
        const document = await readDocument(step, { gitDir, capture }, signals.giveUp);
        if ("state" in document) return document;
        documents.push(document.kept);
        made.keep([document.file]);
        return done;
      });
    if (step.test !== undefined)
      await made.through(step, async () => {
        const tested = await deps.runTests(
          { job, step, folder, capture: { gitDir, tree: capture.gitTree ?? "" }, onBase: false },
          signals.stop,
        );
        tests.push(tested.run);
        made.keep(tested.files);
        return tested.end;
      });
  }

  const allTests = [...baseTests, ...tests];
  made.keep([
    evidenceFile({ runId: job.scope.runId, repository: job.pins.repository, capture, tests: allTests, documents }),
  ]);
  const facts = { capture, baseLinks: [...baseLinks], tests: allTests, documents };
  return worked(job, made, signals.stop.aborted ? stopped : undefined, facts);
}

/** @param failure - of the work as a whole; that of a step goes before it */
function worked(
  job: Job,
  made: ReturnType<typeof createMade>,
  failure: typeof stopped | undefined,
  facts: Pick<WorkReportJson, "capture" | "baseLinks" | "tests" | "documents">,
): Worked {
  const why = made.failure ?? failure;
  return {
    report: {
      attempt: job.attempt,
      outcome: why === undefined ? "WORK_OUTCOME_DONE" : "WORK_OUTCOME_FAILED",
      ...why,
      steps: made.steps,
      ...facts,
      sandbox: job.sandbox,
    },
    files: made.files,
  };
}

const stopped = { cause: "stopped", reason: "the work was asked to end before every step was done" };
const done: StepEnd = { state: "STEP_STATE_DONE", cause: "", reason: "", log: Buffer.alloc(0) };
const stoppedStep: StepEnd = {
  ...done,
  state: "STEP_STATE_FAILED",
  cause: "stopped",
  reason: "it was stopped before it had ended",
};

/** Whoever fails where no room is left does so for a fault of the host, unless it hit a limit of its own. @throws HostFaultError */
async function assertOwnFault(
  deps: Pick<WorkRunDeps, "area">,
  { state, exitCode, limit }: StepEnd,
  stop: AbortSignal,
): Promise<void> {
  const isGood = state === "STEP_STATE_DONE" && (exitCode === undefined || exitCode === 0);
  if (!isGood && limit === undefined && !stop.aborted) await assertRoom(deps);
}

/** @throws HostFaultError */
async function assertRoom({ area }: Pick<WorkRunDeps, "area">): Promise<void> {
  const fault = await area.faultOfRoom(1);
  if (fault !== undefined) throw new HostFaultError(fault);
}

/** What the steps have made so far. */
function createMade(deps: Pick<WorkRunDeps, "now" | "area">, job: Job, stop: AbortSignal) {
  const files: KeptFile[] = [];
  const steps: StepReportJson[] = [];
  let failure: { readonly cause: string; readonly reason: string } | undefined;
  const keep = (more: readonly KeptFile[]) => void files.push(...more);
  return {
    files,
    steps,
    keep,
    get failure() {
      return failure;
    },
    /** Runs a step between its two events, and keeps what it said. A stop ends it even where it was not yet, or no longer, in a box: what was made before is kept. */
    async through(step: StepJson, work: () => Promise<StepEnd>): Promise<void> {
      const stepId = step.id ?? "";
      const startedAt = deps.now().toISOString();
      await job.tell({ step: { stepId, state: "STEP_STATE_STARTED" } });
      const end = await work().catch((error: unknown) => {
        if (stop.aborted) return stoppedStep;
        throw error;
      });
      await assertOwnFault(deps, end, stop);
      const { state, cause, reason, limit, exitCode } = end;
      const facts = { ...(cause === "" ? {} : { cause, reason }), ...(limit === undefined ? {} : { limit }) };
      await job.tell({ step: { stepId, state, ...facts } });
      const finishedAt = deps.now().toISOString();
      steps.push({ stepId, state, ...facts, ...(exitCode === undefined ? {} : { exitCode }), startedAt, finishedAt });
      const log: KeptFile = { name: `logs/${stepId}.log`, kind: "log", mediaType: "text/plain", bytes: end.log };
      keep([
        ...(end.log.byteLength === 0 ? [] : [log]),
        ...(end.transcript === undefined
          ? []
          : [
              {
                name: `transcript/${stepId}.ndjson`,
                kind: "transcript",
                mediaType: "application/x-ndjson",
                bytes: end.transcript,
              },
            ]),
      ]);
      if (state === "STEP_STATE_FAILED") failure ??= { cause, reason: `step ${stepId}: ${reason}` };
    },
  };
}

const capturedEvent = ({
  baseCommit,
  gitCommit,
  gitTree,
  changes = [],
  skipped = [],
  partial,
}: CaptureJson): NonNullable<Parameters<Tell>[0]["captured"]> => ({
  baseCommit,
  gitCommit,
  gitTree,
  changedFiles: changes.length,
  skippedFiles: skipped.length,
  partial,
});

async function readDocument(
  step: StepJson,
  { gitDir, capture }: { readonly gitDir: string; readonly capture: CaptureJson },
  signal: AbortSignal,
): Promise<StepEnd | { readonly kept: KeptDocumentJson; readonly file: KeptFile }> {
  const { path = "", mediaType = "", typeKey = "" } = step.document ?? {};
  const bytes = await readCaptured(gitDir, capture.gitTree ?? "", path, documentBytes, signal);
  if (bytes === undefined)
    return {
      ...done,
      state: "STEP_STATE_FAILED",
      cause: "document_missing",
      reason: `the captured tree holds no regular file ${path} of at most ${documentBytes} bytes; let a step before it write the document there`,
    };
  const kept = { stepId: step.id, path, sha256: sha256Of(bytes), mediaType, typeKey };
  return { kept, file: { name: `documents/${path}`, kind: "document", mediaType, bytes } };
}
