import type { StepJson } from "../../../src/gen/automation/v1/automation_plan_pb.ts";
import type { TestRunJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import type { createReadOut } from "../capture/read-out.ts";
import type { Base } from "../repo/git-repositories.ts";
import { materialise } from "../repo/materialise.ts";
import type { createRunCommand } from "../runtimes/command/run-command.ts";
import type { StepEnd } from "../runtimes/step-end.ts";
import type { RunFolder } from "../sandbox/area/run-folder.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import type { KeptFile } from "./kept-files.ts";
import { sha256Of } from "./kept-files.ts";
import type { Job } from "./work-job.ts";
import { boxLimitsOf } from "./work-job.ts";

/** The api reads no larger report. */
const reportBytes = 4 * 1024 * 1024;

/** What is tested: the base, or what was captured. */
type Tested =
  | { readonly onBase: true; readonly base: Base }
  | { readonly onBase: false; readonly capture: { readonly gitDir: string; readonly tree: string } };

export type RunTests = (
  what: { readonly job: Job; readonly step: StepJson; readonly folder: RunFolder } & Tested,
  signal: AbortSignal,
) => Promise<{ readonly run: TestRunJson; readonly end: StepEnd; readonly files: readonly KeptFile[] }>;

/** @returns the name under which a test step's report is kept, for example `tests/unit.xml` */
export function reportName({ id = "", test }: StepJson, onBase: boolean): string {
  return `tests/${onBase ? "base/" : ""}${id}${test?.format === "REPORT_FORMAT_TAP" ? ".tap" : ".xml"}`;
}

/**
 * Runs a test step on a fresh copy of a tree, with an empty home, and reads the report that it writes. A report that lies in the tree is left out of the copy.
 * Failing tests don't fail the step: the verdict judges their report. Only a limit or a stop does.
 */
export function createRunTests(deps: {
  readonly sandbox: Sandbox;
  readonly runCommand: ReturnType<typeof createRunCommand>;
  readonly readOut: ReturnType<typeof createReadOut>;
}): RunTests {
  return async ({ job, step, folder, ...tested }, signal) => {
    const { argv = [], reportPath = "", format } = step.test ?? {};
    const { onBase } = tested;
    const stepId = step.id ?? "";
    const { slot } = job;
    const name = `${onBase ? "base" : "test"}-${stepId}`;
    const limits = boxLimitsOf(job.pins.policy ?? {}, step);
    const place = await folder.newPlace(name, limits.diskBytes, signal);
    const { workspace, home } = place;
    const source = tested.onBase ? tested.base : tested.capture;
    const how = { owner: deps.sandbox.ownerOf(slot), leaveOut: [reportPath] };
    await place.fill(() => materialise(source, workspace, how, signal));
    const told = onBase ? { ...job, tell: async () => undefined } : job;
    const end = await deps.runCommand(
      { stepId, slot, argv, workspace, home, limits, expectZero: false },
      told.tell,
      signal,
    );
    const reader = { slot, home: await folder.newFolder(`${name}-reader`) };
    const read =
      end.state === "STEP_STATE_DONE"
        ? await deps.readOut({ ...reader, workspace, path: reportPath, maxBytes: reportBytes }, signal)
        : { reason: end.reason };
    await place.remove();
    if (onBase)
      await job.tell({
        message: { stepId, text: `on the base the tests end with exit code ${end.exitCode ?? "of a signal"}` },
      });
    const report = "bytes" in read ? read.bytes : undefined;
    const run: TestRunJson = {
      stepId,
      onBase,
      gitTree: source.tree,
      argv: [...argv],
      ...(end.exitCode === undefined ? {} : { exitCode: end.exitCode }),
      format,
      ...(report === undefined ? {} : { reportSha256: sha256Of(report) }),
      ...("reason" in read ? { reason: read.reason } : {}),
    };
    const mediaType = format === "REPORT_FORMAT_TAP" ? "text/x-tap" : "application/xml";
    const file = reportName(step, onBase);
    return { run, end, files: report === undefined ? [] : [{ name: file, kind: "report", mediaType, bytes: report }] };
  };
}
