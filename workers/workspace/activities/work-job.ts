import type { RunScope } from "../../../src/drivers/temporal/contract.ts";
import type { AutomationPlanJson, StepJson } from "../../../src/gen/automation/v1/automation_plan_pb.ts";
import type { EffectivePolicyJson } from "../../../src/gen/automation/v1/policy_pb.ts";
import type { RunRequestedJson } from "../../../src/gen/automation/v1/run_requested_pb.ts";
import type { RunPinsJson, SandboxReportJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import type { Tell } from "../runtimes/step-end.ts";
import type { BoxLimits } from "../sandbox/sandbox.ts";

/** One attempt at a segment of a run's work: what is asked, in which box, and where to say what happens. */
export interface Job {
  readonly scope: RunScope;
  /** See RunPins.segments. */
  readonly segment: number;
  /** From 1. */
  readonly attempt: number;
  /** With the steps of the segment. */
  readonly plan: AutomationPlanJson;
  readonly pins: RunPinsJson;
  readonly request: RunRequestedJson;
  readonly sandbox: SandboxReportJson;
  readonly slot: number;
  readonly tell: Tell;
}

/**
 * The limits of one step: those of the policy, and the step's own time limit when it is shorter.
 * @throws Error when the policy lacks a limit; compiled policies have all of them
 */
export function boxLimitsOf(policy: EffectivePolicyJson, step: StepJson): BoxLimits {
  const { memoryBytes, processes, outputBytes, diskBytes, stepTime, idleTime } = policy.limits ?? {};
  const limits = {
    memoryBytes: Number(memoryBytes),
    processes: Number(processes),
    outputBytes: Number(outputBytes),
    diskBytes: Number(diskBytes),
    timeMs: Math.min(
      millisecondsOf(stepTime),
      step.timeLimit === undefined ? Infinity : millisecondsOf(step.timeLimit),
    ),
    idleMs: millisecondsOf(idleTime),
  };
  const missing = Object.entries(limits).find(([, value]) => !(value > 0));
  if (missing !== undefined)
    throw new Error(`the run's policy has no ${missing[0]}; a compiled policy has every limit`);
  return limits;
}

/** @param duration - proto JSON, for example `1.5s` */
export function millisecondsOf(duration: string | undefined): number {
  return Math.round(Number((duration ?? "").replace(/s$/, "")) * 1_000);
}
