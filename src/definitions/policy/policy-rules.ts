import { fromJson } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { PolicyJson } from "../../gen/automation/v1/policy_pb.ts";
import { LimitsSchema } from "../../gen/automation/v1/policy_pb.ts";
import { faultOfCommandPattern, faultOfPathPattern } from "./match-patterns.ts";

const longestStepMs = 24 * 3_600_000;

/** What is wrong with a policy beyond the rules of its proto, such as patterns that could never match. @param field - where the policy is, for the message */
export function faultsOfPolicy(policy: PolicyJson, field: string): string[] {
  const { commands, paths } = policy;
  const limits = fromJson(LimitsSchema, policy.limits ?? {}, { ignoreUnknownFields: true });
  return [
    ...faultsOf(commands?.allow?.patterns, `${field}.commands.allow.patterns`, faultOfCommandPattern),
    ...faultsOf(commands?.deny, `${field}.commands.deny`, faultOfCommandPattern),
    ...faultsOf(paths?.write?.patterns, `${field}.paths.write.patterns`, faultOfPathPattern),
    ...faultsOf(paths?.deny, `${field}.paths.deny`, faultOfPathPattern),
    ...faultOfTime(limits.stepTime, `${field}.limits.step_time`),
    ...faultOfTime(limits.idleTime, `${field}.limits.idle_time`),
  ];
}

/** Checks the time that a step may take; 0 and absent set no limit. */
export function faultOfTime(time: Duration | undefined, field: string): string[] {
  const ms = time === undefined ? 0 : durationMs(time);
  if (ms === 0 || (ms >= 1_000 && ms <= longestStepMs)) return [];
  return [`${field} ${ms / 1_000}s must be between 1s and 86400s (24 hours), or be left out`];
}

function faultsOf(
  patterns: readonly string[] = [],
  field: string,
  faultOf: (pattern: string) => string | undefined,
): string[] {
  return patterns.flatMap((pattern, index) => {
    const fault = faultOf(pattern);
    return fault === undefined ? [] : [`${field}.${index} "${pattern}" ${fault}`];
  });
}
