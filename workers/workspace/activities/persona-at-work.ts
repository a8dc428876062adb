import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { StepJson } from "../../../src/gen/automation/v1/automation_plan_pb.ts";
import type { TestRunJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import type { Base } from "../repo/git-repositories.ts";
import type { createBundleCache } from "../runtimes/bundle-cache.ts";
import type { PersonaTask, Runtimes } from "../runtimes/runtime.ts";
import type { StepEnd } from "../runtimes/step-end.ts";
import type { RunFolder } from "../sandbox/area/run-folder.ts";
import type { KeptFile } from "./kept-files.ts";
import { reportName } from "./run-tests.ts";
import type { Job } from "./work-job.ts";
import { boxLimitsOf } from "./work-job.ts";

export type PersonaAtWork = (
  what: {
    readonly job: Job;
    readonly step: StepJson;
    readonly folder: RunFolder;
    readonly workspace: string;
    readonly home: string;
    readonly base: Base;
    readonly baseTests: readonly TestRunJson[];
    readonly files: readonly KeptFile[];
  },
  signal: AbortSignal,
) => Promise<StepEnd>;

/** Lets the pinned persona of a step work in the workspace. Its task holds the test reports of the base. */
export function createPersonaAtWork(deps: {
  readonly bundles: ReturnType<typeof createBundleCache>;
  readonly fetchBundle: (job: Job, digest: string, signal: AbortSignal) => Promise<Buffer>;
  readonly runtimes: Runtimes;
}): PersonaAtWork {
  return async ({ job, step, folder, workspace, home, base, baseTests, files }, signal) => {
    const { scope, plan, pins, request, slot } = job;
    const stepId = step.id ?? "";
    const digest = pins.personas?.find((persona) => persona.stepId === stepId)?.digest ?? "";
    const bundle = await deps.bundles.get(digest, (limit) => deps.fetchBundle(job, digest, limit), signal);
    const taskDir = await folder.newHostFolder(`task-${stepId}`);
    const reports = await Promise.all(
      baseTests.map(async (run) => {
        const tested = plan.steps?.find(({ id }) => id === run.stepId) ?? {};
        const file = files.find(({ name }) => name === reportName(tested, true));
        if (file === undefined) return [];
        const path = `reports/${reportName(tested, false).replace(/^tests\//, "")}`;
        await mkdir(dirname(join(taskDir, path)), { recursive: true });
        await writeFile(join(taskDir, path), file.bytes, { mode: 0o644 });
        return [
          {
            stepId: run.stepId ?? "",
            path: `/task/${path}`,
            ...(run.exitCode === undefined ? {} : { exitCode: run.exitCode }),
          },
        ];
      }),
    );
    const task: PersonaTask = {
      runId: scope.runId,
      stepId,
      goal: request.goal ?? "",
      parameters: request.parameters ?? {},
      context: request.context ?? {},
      repository: { id: pins.repository?.id ?? "", ref: pins.repository?.ref ?? "", baseCommit: base.commit },
      policy: pins.policy ?? {},
      reports: reports.flat(),
    };
    const limits = boxLimitsOf(pins.policy ?? {}, step);
    return deps.runtimes[bundle.runtime](
      { stepId, slot, bundle, workspace, home, taskDir, task, limits },
      job.tell,
      signal,
    );
  };
}
