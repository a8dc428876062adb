import type { StepJson } from "../../../src/gen/automation/v1/automation_plan_pb.ts";
import type { StepReportJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import { stepEnded } from "../../../src/telemetry/metrics/work-metrics.ts";
import { stepSpan } from "../../../src/telemetry/run-spans.ts";
import { HostFaultError } from "../host/host-fault.ts";
import type { StepEnd } from "../runtimes/step-end.ts";
import type { RunArea } from "../sandbox/area/run-area.ts";
import type { KeptFile } from "./kept-files.ts";
import { filesOfStep } from "./kept-files.ts";
import type { Job } from "./work-job.ts";

/** What the steps of one attempt have done and left so far. */
export interface StepRecord {
  readonly files: readonly KeptFile[];
  readonly steps: readonly StepReportJson[];
  /** Of the first step that failed. */
  readonly failure: { readonly cause: string; readonly reason: string } | undefined;
  keep(more: readonly KeptFile[]): void;
  /**
   * Runs a step between its two events, and keeps its log. A stop also ends a step that has not started its box or has left it; results so far are kept.
   * @throws HostFaultError when it failed because a disk of the host is full; what the work throws
   */
  through(step: StepJson, work: () => Promise<StepEnd>): Promise<void>;
}

const stoppedStep: StepEnd = {
  state: "STEP_STATE_FAILED",
  cause: "stopped",
  reason: "it was stopped before it had ended",
  log: Buffer.alloc(0),
};

export function createStepRecord(
  deps: { readonly area: Pick<RunArea, "faultOfRoom">; readonly now: () => Date },
  job: Job,
  stop: AbortSignal,
): StepRecord {
  const files: KeptFile[] = [];
  const steps: StepReportJson[] = [];
  let failure: StepRecord["failure"];
  const keep: StepRecord["keep"] = (more) => void files.push(...more);
  return {
    files,
    steps,
    keep,
    get failure() {
      return failure;
    },
    async through(step, work) {
      const stepId = step.id ?? "";
      const startedAt = deps.now().toISOString();
      await job.tell({ step: { stepId, state: "STEP_STATE_STARTED" } });
      const end = await stepSpan(step, work).catch((error: unknown) => {
        if (stop.aborted) return stoppedStep;
        throw error;
      });
      await assertOwnFault(deps, end, stop);
      const { state, cause, reason, limit, exitCode } = end;
      const facts = { ...(cause === "" ? {} : { cause, reason }), ...(limit === undefined ? {} : { limit }) };
      await job.tell({ step: { stepId, state, ...facts } });
      const finishedAt = deps.now().toISOString();
      stepEnded(step.agent?.persona?.id, state === "STEP_STATE_DONE" ? "done" : "failed", cause, limit?.name);
      steps.push({ stepId, state, ...facts, ...(exitCode === undefined ? {} : { exitCode }), startedAt, finishedAt });
      keep(filesOfStep(stepId, end));
      if (state === "STEP_STATE_FAILED") failure ??= { cause, reason: `step ${stepId}: ${reason}` };
    },
  };
}

/** A failure on a full disk of the host is the host's fault, unless the step hit a limit of its own. @throws HostFaultError */
export async function assertOwnFault(
  deps: { readonly area: Pick<RunArea, "faultOfRoom"> },
  { state, exitCode, limit }: StepEnd,
  stop: AbortSignal,
): Promise<void> {
  const isGood = state === "STEP_STATE_DONE" && (exitCode === undefined || exitCode === 0);
  if (!isGood && limit === undefined && !stop.aborted) await assertRoom(deps);
}

/** @throws HostFaultError */
export async function assertRoom({ area }: { readonly area: Pick<RunArea, "faultOfRoom"> }): Promise<void> {
  const fault = await area.faultOfRoom(1);
  if (fault !== undefined) throw new HostFaultError(fault);
}
