import { create, fromJson, toJson } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type {
  EffectivePolicyJson,
  IsolationClassJson,
  LayerPatternsJson,
  LimitsJson,
  PolicyJson,
} from "../../gen/automation/v1/policy_pb.ts";
import { EffectivePolicySchema, LimitsSchema } from "../../gen/automation/v1/policy_pb.ts";

/** One layer of the policy of a run. */
export interface PolicyLayer {
  /** `platform`, `tenant`, `repository`, `persona/<id>` or `plan`. */
  readonly layer: string;
  readonly policy: PolicyJson;
  /** The weakest isolation class that it accepts. */
  readonly isolation?: IsolationClassJson;
}

/** Isolation classes from weak to strong. */
const isolationClasses: readonly IsolationClassJson[] = ["ISOLATION_CLASS_USERNS", "ISOLATION_CLASS_UID"];

/**
 * Combines the layers of a run's policy into one. A layer without a list has no opinion; one with an empty list allows nothing. A thing is allowed if every layer with a list allows it and
 * no layer denies it. Of each limit the lowest counts, of isolation classes the strongest. So another layer can only make the policy stricter.
 * @param layers - the platform's first, whose limits are complete
 */
export function compilePolicy(layers: readonly PolicyLayer[]): EffectivePolicyJson {
  const allowing = (patternsOf: (policy: PolicyJson) => readonly string[] | undefined): LayerPatternsJson[] =>
    layers.flatMap(({ layer, policy }) => {
      const patterns = patternsOf(policy);
      return patterns === undefined ? [] : [{ layer, patterns: [...patterns] }];
    });
  const denying = (patternsOf: (policy: PolicyJson) => readonly string[] | undefined): LayerPatternsJson[] =>
    allowing(patternsOf).filter(({ patterns = [] }) => patterns.length > 0);
  const demanded = Math.max(...layers.map(({ isolation }) => strengthOf(isolation)));
  const policy: EffectivePolicyJson = {
    commandAllow: allowing(({ commands }) => commands?.allow && (commands.allow.patterns ?? [])),
    commandDeny: denying(({ commands }) => commands?.deny),
    pathWrite: allowing(({ paths }) => paths?.write && (paths.write.patterns ?? [])),
    pathDeny: denying(({ paths }) => paths?.deny),
    limits: leastOf(layers.map(({ policy }) => policy.limits ?? {})),
    isolation: isolationClasses[demanded] ?? "ISOLATION_CLASS_UNSPECIFIED",
  };
  return toJson(EffectivePolicySchema, fromJson(EffectivePolicySchema, policy)); // normal form: a later reading has the same digest
}

/** @returns the weakest class that is offered and at least as strong as the demanded one; undefined when there is none */
export function chooseIsolation(
  offered: readonly IsolationClassJson[],
  demanded: IsolationClassJson | undefined,
): IsolationClassJson | undefined {
  return isolationClasses.find((each, strength) => strength >= strengthOf(demanded) && offered.includes(each));
}

/** @returns -1 when none is demanded */
function strengthOf(isolation: IsolationClassJson | undefined): number {
  return isolation === undefined ? -1 : isolationClasses.indexOf(isolation);
}

/** For each limit the lowest that any layer sets. */
function leastOf(all: readonly LimitsJson[]): LimitsJson {
  const least = create(LimitsSchema);
  for (const json of all) {
    const each = fromJson(LimitsSchema, json, { ignoreUnknownFields: true });
    least.memoryBytes = lesser(least.memoryBytes, each.memoryBytes);
    least.processes = lesser(least.processes, each.processes);
    least.outputBytes = lesser(least.outputBytes, each.outputBytes);
    least.diskBytes = lesser(least.diskBytes, each.diskBytes);
    least.stepTime = shorter(least.stepTime, each.stepTime);
    least.idleTime = shorter(least.idleTime, each.idleTime);
    least.patchBytes = lesser(least.patchBytes, each.patchBytes);
    least.changedFiles = lesser(least.changedFiles, each.changedFiles);
  }
  return toJson(LimitsSchema, least);
}

/** 0 is no opinion. */
function lesser<T extends number | bigint>(one: T, other: T): T {
  return other > 0 && (one <= 0 || other < one) ? other : one;
}

function shorter(one: Duration | undefined, other: Duration | undefined): Duration | undefined {
  if (other === undefined || durationMs(other) <= 0) return one;
  return one === undefined || durationMs(other) < durationMs(one) ? other : one;
}
