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
import { matchesCommand, matchesPath } from "./match-patterns.ts";
import { exactPattern } from "./path-pattern.ts";

/** One voice in the policy of a run. */
export interface PolicyLayer {
  /** `platform`, `tenant`, `repository`, `persona/<id>` or `plan`. */
  readonly layer: string;
  readonly policy: PolicyJson;
  /** The least isolation that it demands. */
  readonly isolation?: IsolationClassJson;
}

/** Which rule of which layer says no. */
export interface Denial {
  readonly layer: string;
  /** The pattern that denies; for `allow` all that the layer allows, or `nothing`. */
  readonly rule: string;
  readonly kind: "allow" | "deny";
}

/** Isolation classes from weak to strong. */
export const isolationClasses: readonly IsolationClassJson[] = ["ISOLATION_CLASS_USERNS", "ISOLATION_CLASS_UID"];

/**
 * Makes one policy of all layers. A layer that leaves a list out has no opinion, one that gives an empty list allows nothing; a thing is allowed if every layer that speaks allows it
 * and none denies it; of numbers the least holds, of isolation the strongest demand. So a further layer can only take away.
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
  return toJson(EffectivePolicySchema, fromJson(EffectivePolicySchema, policy)); // its digest is that of any later reading
}

/** @returns the weakest class that is offered and at least as strong as the demanded one */
export function chooseIsolation(
  offered: readonly IsolationClassJson[],
  demanded: IsolationClassJson | undefined,
): IsolationClassJson | undefined {
  return isolationClasses.find((each, strength) => strength >= strengthOf(demanded) && offered.includes(each));
}

/** -1: none is demanded. */
function strengthOf(isolation: IsolationClassJson | undefined): number {
  return isolation === undefined ? -1 : isolationClasses.indexOf(isolation);
}

/** @returns who forbids to start this argv; undefined: nobody */
export function judgeCommand(
  { commandAllow = [], commandDeny = [] }: EffectivePolicyJson,
  argv: readonly string[],
): Denial | undefined {
  const matches = (pattern: string) => matchesCommand(pattern, argv);
  for (const { layer = "", patterns = [] } of commandDeny) {
    const rule = patterns.find(matches);
    if (rule !== undefined) return { layer, rule, kind: "deny" };
  }
  return unlisted(commandAllow.find(({ patterns = [] }) => !patterns.some(matches)));
}

/** Makes the allow lists of paths ready. @returns who does not allow to change a path, relative to the repository's root; undefined: nobody. What is denied is judged over a whole tree, see `TreeNames` */
export function pathAllowance({ pathWrite = [] }: EffectivePolicyJson): (path: string) => Denial | undefined {
  const lists = pathWrite.map((list) => ({ list, patterns: (list.patterns ?? []).map(exactPattern) }));
  return (path) =>
    unlisted(lists.find(({ patterns }) => !patterns.some((pattern) => matchesPath(pattern, path)))?.list);
}

function unlisted(silent: LayerPatternsJson | undefined): Denial | undefined {
  if (silent === undefined) return undefined;
  return { layer: silent.layer ?? "", rule: silent.patterns?.join(", ") || "nothing", kind: "allow" };
}

/** Limit by limit, the least that any layer names. */
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
