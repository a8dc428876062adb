import { isGitFolder } from "../../../definitions/policy/fold-name.ts";
import type { EffectivePolicyJson } from "../../../gen/automation/v1/policy_pb.ts";
import type { VerdictLineJson } from "../../../gen/automation/v1/verdict_pb.ts";
import { lineOf } from "../../verdict-line.ts";
import { faultsOfPaths, targetOf } from "./check-paths.ts";
import type { PatchChange } from "./patch-change.ts";
import { linkMode, submoduleMode } from "./patch-change.ts";
import { findSecret, findSecretInBytes, findSecretsInLines } from "./secret-patterns.ts";
import type { TreeLink } from "./tree-names.ts";

/**
 * Checks the patch of a run. Each requirement gives a line of the verdict, met or failed, whatever the profile requires.
 * @param patch.baseLinks - every link of the base
 */
export function checkPatch(
  patch: {
    readonly changes: readonly PatchChange[];
    readonly baseLinks: readonly TreeLink[];
    readonly sizeBytes: number;
  },
  policy: EffectivePolicyJson,
): readonly VerdictLineJson[] {
  const { changes, baseLinks } = patch;
  return [
    lineOf("exit-gate-paths", faultsOfPaths(changes, baseLinks, policy), {
      met: `every changed path is where every layer allows it (${changes.length})`,
      remedy:
        "Undo the change of each path named here; in place of a link, put the files themselves. Where the work does need it, have the owner of the named layer change its rule, and ask for a new run.",
    }),
    lineOf("exit-gate-symlinks", changes.flatMap(faultsOfLinks), {
      met: "no link leaves the tree and nothing is a submodule",
      remedy:
        "Make a relative link to a file of the repository, or put the file itself in its place; add the content of a submodule as files.",
    }),
    lineOfSize(
      faultsOfSize({ sizeBytes: patch.sizeBytes, files: changes.length }, policy),
      `${patch.sizeBytes} bytes of patch, ${changes.length} changed`,
    ),
    lineOf("exit-gate-secrets", changes.flatMap(faultsOfSecrets), {
      met: "nothing that was added looks like a secret",
      remedy:
        "Take it out, read it from the environment instead, and revoke it if it is real: it has been in a workspace.",
    }),
  ];
}

function faultsOfLinks(change: PatchChange): string[] {
  const { path, mode } = change;
  if (mode === submoduleMode) return [`${path} is a submodule`];
  if (mode !== linkMode) return [];
  if (change.added.length === 0 && change.kind === "CHANGE_KIND_RENAMED")
    return [
      `${path} is a link that was moved: where it leads from there is not in the patch; make it anew at its place`,
    ];
  const fault = faultOfTarget(path, targetOf(change));
  return fault === undefined ? [] : [`${path} is a link ${fault}`];
}

/** `PATH_MAX` of Linux, with its NUL. */
const longestTarget = 4_095;

/**
 * A link starts in its own folder and may go up to the root at most. `..` after a name is refused: that name may itself be a link, so the text does not show where `..` leads.
 */
function faultOfTarget(path: string, target: string): string | undefined {
  if (target === "") return "without a target";
  if (Buffer.byteLength(target) > longestTarget) return `with a target of more than ${longestTarget} bytes`;
  if (target.startsWith("/") || /^[a-z]:/i.test(target)) return "to an absolute path";
  if (target.includes("\n")) return "with a line break in its target"; // a patch would show a part of it
  if (target.includes("\\")) return "with a backslash, which leads to different places on different systems";
  const parts = target.split("/").filter((part) => part !== "" && part !== ".");
  const ups = parts.lastIndexOf("..") + 1;
  if (parts.slice(0, ups).some((part) => part !== "..")) return "that goes up after a name";
  if (ups > path.split("/").length - 1) return "that leaves the tree";
  if (parts.some(isGitFolder)) return "into git's own folder";
  return undefined;
}

export function lineOfSize(faults: readonly string[], met: string): VerdictLineJson {
  return lineOf("exit-gate-size", faults, {
    met,
    remedy: "Split the work, leave built files out (.gitignore), or have the limit raised in the layer that sets it.",
  });
}

export function faultsOfSize(
  { sizeBytes, files }: { readonly sizeBytes: number; readonly files: number },
  { limits = {} }: EffectivePolicyJson,
): string[] {
  const mostBytes = Number(limits.patchBytes ?? 0);
  const mostFiles = limits.changedFiles ?? 0;
  return [
    ...(files > mostFiles ? [`${files} files changed, the limit is ${mostFiles} (changed_files)`] : []),
    ...(sizeBytes > mostBytes ? [`the patch has ${sizeBytes} bytes, the limit is ${mostBytes} (patch_bytes)`] : []),
  ];
}

function faultsOfSecrets({ path, previousPath, kind: change, added, binary }: PatchChange): string[] {
  const isNew = change === "CHANGE_KIND_ADDED" || previousPath !== undefined;
  const inName = isNew ? findSecret(path) : undefined;
  if (inName !== undefined) return [`the name of a new file looks like a ${inName}`];
  const found = findSecretsInLines(added).map(({ line, kind }) => `${path}:${line} looks like a ${kind}`);
  const kind = binary && findSecretInBytes(binary);
  return kind === undefined ? found : [...found, `${path} (binary) looks like a ${kind}`];
}
