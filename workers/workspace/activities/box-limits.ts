import type { StepJson } from "../../../src/gen/automation/v1/automation_plan_pb.ts";
import type { EffectivePolicyJson } from "../../../src/gen/automation/v1/policy_pb.ts";
import type { BoxLimits } from "../sandbox/sandbox.ts";

/**
 * The bounds of one step: the policy's, and the step's own time when it is shorter.
 * @throws Error when the policy names no bound for something: it is compiled complete
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
  if (missing !== undefined) throw new Error(`the run's policy has no ${missing[0]}; it must bound everything`);
  return limits;
}

/** @param duration - proto JSON, for example `1.5s` */
export function millisecondsOf(duration: string | undefined): number {
  return Math.round(Number((duration ?? "").replace(/s$/, "")) * 1_000);
}
