import { pathAllowance } from "../../../definitions/policy/judge-policy.ts";
import { foldedPattern } from "../../../definitions/policy/path-pattern.ts";
import type { EffectivePolicyJson } from "../../../gen/automation/v1/policy_pb.ts";
import type { PatchChange } from "./patch-change.ts";
import { linkMode } from "./patch-change.ts";
import type { Reach, TreeLink } from "./tree-names.ts";
import { createTreeNames } from "./tree-names.ts";

const acts: Readonly<Record<PatchChange["kind"], string>> = {
  CHANGE_KIND_UNSPECIFIED: "changed",
  CHANGE_KIND_ADDED: "added",
  CHANGE_KIND_MODIFIED: "changed",
  CHANGE_KIND_DELETED: "deleted",
  CHANGE_KIND_RENAMED: "renamed",
};

/**
 * Finds the changed paths that the policy forbids. Allow rules are compared with the path as written; deny rules with every name that the path has in a checkout of the base or of the result:
 * through links, and as file systems fold names. A link may not be at, above or on the way to a denied path: it would add or remove names of that path, and no patch shows that.
 * @param baseLinks - every link of the base
 */
export function faultsOfPaths(
  changes: readonly PatchChange[],
  baseLinks: readonly TreeLink[],
  policy: EffectivePolicyJson,
): string[] {
  const notAllowed = pathAllowance(policy);
  const denials = denialsOf(changes, baseLinks, policy);
  return changes.flatMap((change) =>
    pathsOf(change).flatMap((path) => {
      const denied = denials.get(path);
      const outside = denied === undefined ? notAllowed(path) : undefined;
      const why = denied ?? (outside && `outside of what ${outside.layer} lets be written: ${outside.rule}`);
      return why === undefined ? [] : [`${path} was ${acts[change.kind]}: ${why}`];
    }),
  );
}

/** A link's target as the patch shows it. */
export function targetOf({ added }: PatchChange): string {
  return added.map(({ text }) => text).join("\n");
}

function pathsOf({ path, previousPath }: PatchChange): string[] {
  return previousPath === undefined ? [path] : [previousPath, path];
}

/** @returns why a path is denied, by path: the first rule of the first layer */
function denialsOf(
  changes: readonly PatchChange[],
  baseLinks: readonly TreeLink[],
  { pathDeny = [] }: EffectivePolicyJson,
): ReadonlyMap<string, string> {
  const paths = [...new Set(changes.flatMap(pathsOf))];
  const changed = new Set(paths);
  const moved = baseLinks.filter(({ path }) => changed.has(path)).map(({ path }) => path);
  const made = changes.filter(({ mode }) => mode === linkMode);
  const result = [
    ...baseLinks.filter(({ path }) => !changed.has(path)),
    ...made.map((change) => ({ path: change.path, target: targetOf(change) })),
  ];
  const links = [...moved, ...made.map(({ path }) => path)];
  const trees = [createTreeNames(result, paths), ...(links.length === 0 ? [] : [createTreeNames(baseLinks, paths)])];
  const denials = new Map<string, string>();
  for (const { layer = "", patterns = [] } of pathDeny)
    for (const rule of patterns) {
      const pattern = foldedPattern(rule);
      const by = `protected by ${layer}'s rule "${rule}"`;
      for (const reach of trees.map((tree) => tree.reach(pattern))) {
        for (const path of paths) put(denials, path, denialOfPath(reach, path, by));
        for (const link of links) put(denials, link, denialOfLink(reach, link, by));
      }
    }
  return denials;
}

function put(denials: Map<string, string>, path: string, denial: string | undefined): void {
  if (denial !== undefined && !denials.has(path)) denials.set(path, denial);
}

function denialOfPath(reach: Reach, path: string, by: string): string | undefined {
  const name = reach.fits(path);
  if (name === undefined) return undefined;
  return name === "" ? by : `a checkout may also name it ${name}, ${by}`;
}

function denialOfLink(reach: Reach, link: string, by: string): string | undefined {
  if (reach.liesAbove(link)) return `it is a link above what is ${by}`;
  const end = reach.leadsTo(link);
  return end === undefined ? undefined : `it is a link to ${end}, ${by}`;
}
