import type { EvidenceJson, TreeRefJson } from "../../gen/automation/v1/evidence_pb.ts";
import type { EffectivePolicyJson } from "../../gen/automation/v1/policy_pb.ts";
import type { CaptureJson, ChangeJson } from "../../gen/automation/v1/run_work_pb.ts";
import type { VerdictLineJson } from "../../gen/automation/v1/verdict_pb.ts";
import { evidenceIdOf } from "../run-evidence.ts";
import { failedLine, lineOf, metLine } from "../verdict-line.ts";
import { checkPatch, faultsOfSize, lineOfSize } from "./exit-gate/check-patch.ts";
import type { PatchChange } from "./exit-gate/patch-change.ts";
import { linkMode, PatchError, PatchTooLargeError } from "./exit-gate/patch-change.ts";
import { readPatch } from "./exit-gate/read-patch.ts";
import type { TreeLink } from "./exit-gate/tree-names.ts";
import type { Uploads } from "./uploads-of-work.ts";

const vantage = "worker-observed";

export interface CaptureFinding {
  readonly changes: readonly PatchChange[];
  readonly evidence: readonly EvidenceJson[];
  readonly lines: readonly VerdictLineJson[];
}

export const nothingCaptured: CaptureFinding = {
  evidence: [],
  changes: [],
  lines: [
    failedLine(
      "capture-complete",
      ["nothing was captured"],
      "See why the run ended, in its reason and its logs; resolve that and ask for a new run.",
    ),
  ],
};

const gitFolder = "git_folder";
const shownRepositories = 3;

/**
 * Judges what the work changed, by its patch: whether it is whole, says the same as the report, and passes the exit gate. Everything about changes is taken from the patch.
 * @param baseLinks - every link of the base
 */
export async function judgeCapture(
  capture: CaptureJson,
  baseLinks: readonly TreeLink[],
  policy: EffectivePolicyJson,
  uploads: Uploads,
): Promise<CaptureFinding> {
  const complete = lineOf("capture-complete", faultsOfCapture(capture), {
    met: `the tree holds everything that was in the workspace, except what the base ignores${repositoriesIn(capture)}`,
    remedy: "Remove what is named here from the workspace, or have the base ignore it, and ask for a new run.",
  });
  const { changes = [], patchSha256 } = capture;
  const beyond = faultsOfSize({ sizeBytes: uploads.sizeOf(patchSha256), files: changes.length }, policy);
  if (beyond.length > 0) return unread(complete, beyond);
  const patch = await uploads.read(patchSha256);
  const read = "fault" in patch ? { fault: `the patch: ${patch.fault}` } : readChanges(patch, changes, baseLinks);
  const remedy = "The worker's patch and its report must say the same; have the operator look at the worker.";
  if ("beyond" in read) return unread(complete, [read.beyond]);
  if ("fault" in read || "fault" in patch) {
    const fault = "fault" in read ? read.fault : "";
    return { evidence: [], changes: [], lines: [complete, failedLine("exit-gate-patch", [fault], remedy)] };
  }
  const met = `the patch holds what was reported, and nothing else (${read.changes.length})`;
  return {
    evidence: [
      {
        id: evidenceIdOf("diff"),
        kind: "diff",
        outcome: outcomeOfDiff(capture, read.changes),
        vantage,
        tree: treeOf(capture),
      },
    ],
    changes: read.changes,
    lines: [
      complete,
      metLine("exit-gate-patch", met),
      ...checkPatch({ changes: read.changes, baseLinks, sizeBytes: patch.byteLength }, policy),
    ],
  };
}

export function treeOf({ gitCommit, gitTree }: CaptureJson): TreeRefJson {
  return { gitCommit, gitTree };
}

/** What is beyond a limit is not read: its size is all that is known of it. */
function unread(complete: VerdictLineJson, faults: readonly string[]): CaptureFinding {
  const patch = failedLine(
    "exit-gate-patch",
    ["it was not read, since it is beyond a limit (exit-gate-size)"],
    "See exit-gate-size.",
  );
  return { evidence: [], changes: [], lines: [lineOfSize(faults, ""), complete, patch] };
}

function outcomeOfDiff({ partial }: CaptureJson, changes: readonly PatchChange[]): string {
  if (partial === true) return "PARTIAL";
  return changes.length === 0 ? "UNCHANGED" : "CAPTURED";
}

function faultsOfCapture({ partial, skipped = [] }: CaptureJson): string[] {
  if (partial !== true) return [];
  const lost = skipped.filter(({ reason = "" }) => !["ignored", gitFolder].includes(reason));
  const told = lost.map(({ path, reason }) => `${path} (${reason})`);
  return told.length === 0 ? ["the capture is partial"] : told.map((each) => `left out: ${each}`);
}

/** Those that were made in the workspace: git has no place for one in a tree. */
function repositoriesIn({ skipped = [] }: CaptureJson): string {
  const paths = skipped.filter(({ reason }) => reason === gitFolder).map(({ path }) => path);
  if (paths.length === 0) return "";
  const more = paths.length > shownRepositories ? ` and ${paths.length - shownRepositories} more` : "";
  return `, and git's own folder of each repository that was made in it: ${paths.slice(0, shownRepositories).join(", ")}${more}`;
}

/** Of a file that was only renamed the patch does not show the mode: there the report's is taken. */
function readChanges(
  patch: Uint8Array,
  reported: readonly ChangeJson[],
  baseLinks: readonly TreeLink[],
): { readonly changes: readonly PatchChange[] } | { readonly fault: string } | { readonly beyond: string } {
  let changes: readonly PatchChange[];
  try {
    changes = readPatch(patch, reported.length);
  } catch (error) {
    if (error instanceof PatchTooLargeError) return { beyond: error.message };
    if (error instanceof PatchError) return { fault: error.message };
    throw error;
  }
  const byPath = new Map(reported.map((change) => [change.path, change]));
  if (changes.length !== reported.length || byPath.size !== reported.length)
    return { fault: `the patch changes ${changes.length} files, ${reported.length} were reported` };
  const known = changes.map((change) => {
    const mode = byPath.get(change.path)?.mode;
    return change.kind === "CHANGE_KIND_RENAMED" && change.mode === undefined && mode ? { ...change, mode } : change;
  });
  const other = known.find((change) => !isSame(change, byPath.get(change.path)));
  if (other !== undefined) return { fault: `the patch changes ${other.path} in another way than was reported` };
  const links = new Set(baseLinks.map(({ path }) => path));
  const unlike = changes.find((change) => !isLinkAsTold(change, links));
  if (unlike === undefined) return { changes: known };
  return { fault: `the patch and the links told of the base differ in whether ${unlike.path} was a link` };
}

/** Where the patch shows what was there before, the links that were told of the base say the same. */
function isLinkAsTold({ kind, path, previousPath, previousMode }: PatchChange, links: ReadonlySet<string>): boolean {
  if (kind === "CHANGE_KIND_ADDED") return !links.has(path);
  return previousMode === undefined || links.has(previousPath ?? path) === (previousMode === linkMode);
}

function isSame(change: PatchChange, reported: ChangeJson | undefined): boolean {
  return (
    change.kind === reported?.kind &&
    (change.previousPath ?? "") === (reported.previousPath ?? "") &&
    (change.mode ?? "") === (reported.mode ?? "")
  );
}
