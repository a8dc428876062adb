import type { EffectivePolicyJson, LayerPatternsJson } from "../../gen/automation/v1/policy_pb.ts";
import { matchesCommand, matchesPath } from "./match-patterns.ts";
import { exactPattern } from "./path-pattern.ts";

/** The layer and rule that forbid something. */
export interface Denial {
  readonly layer: string;
  /** The pattern that denies; for `allow` all that the layer allows, or `nothing`. */
  readonly rule: string;
  readonly kind: "allow" | "deny";
}

/** @returns the layer and rule that forbid to start this argv; undefined when none does */
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

/**
 * Prepares the allow lists of paths. What is denied is judged over a whole tree, see `TreeNames`.
 * @returns a function from a path, relative to the repository's root, to the layer that does not allow to change it; undefined when every layer does
 */
export function pathAllowance({ pathWrite = [] }: EffectivePolicyJson): (path: string) => Denial | undefined {
  const lists = pathWrite.map((list) => ({ list, patterns: (list.patterns ?? []).map(exactPattern) }));
  return (path) =>
    unlisted(lists.find(({ patterns }) => !patterns.some((pattern) => matchesPath(pattern, path)))?.list);
}

function unlisted(silent: LayerPatternsJson | undefined): Denial | undefined {
  if (silent === undefined) return undefined;
  return { layer: silent.layer ?? "", rule: silent.patterns?.join(", ") || "nothing", kind: "allow" };
}
