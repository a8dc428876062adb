import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import type { CaptureJson, SkippedFileJson, TreeLinkJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import { cutText } from "../../../src/text/strangers-text.ts";
import type { Base } from "../repo/git-repositories.ts";
import { GitError } from "../repo/run-git.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { baseLinksOf, shownPath } from "./base-links.ts";
import { changesOf, commitOnBase, openCaptureRepository, patchOf, pathsOf } from "./captured-commit.ts";
import type { Enumerate, Listed } from "./enumerate.ts";
import { CaptureError, createEnumerate } from "./enumerate.ts";
import type { Fingerprint } from "./fingerprint.ts";
import type { IgnoredPaths } from "./ignored-paths.ts";
import { createIgnoredPaths } from "./ignored-paths.ts";

export interface CaptureLimits {
  /** Files and folders, those of the base included; what the base holds is always looked at. */
  readonly files: number;
  /** Content of all files that are new or changed. */
  readonly bytes: number;
  /** Folders below each other. */
  readonly depth: number;
  /** Apparent size of one file. */
  readonly fileBytes: number;
  readonly patchBytes: number;
}

export interface CaptureAsked {
  readonly slot: number;
  readonly runId: string;
  readonly repository: { readonly id: string; readonly ref: string };
  readonly base: Base;
  /** No process may use it any more. */
  readonly workspace: string;
  /** Taken of this workspace when it was a fresh copy of the base. */
  readonly fingerprint: Fingerprint;
  /** New and empty, of the slot's user. */
  readonly home: string;
  /** Host folder to be made; `<gitDir>-asked` and `<gitDir>-rules` are used meanwhile. */
  readonly gitDir: string;
  readonly limits: CaptureLimits;
}

export interface Captured {
  readonly capture: CaptureJson;
  readonly patch: Buffer;
  /** Every link of the base. */
  readonly baseLinks: readonly TreeLinkJson[];
  /** Holds commit and tree; borrows from the base's repository. */
  readonly gitDir: string;
}

/** A listing that ignored folders filled up is repeated without them, at most this often. */
const mostListings = 8;
/** More are summed up in one entry, so that a report stays readable. */
const mostSkipped = 1_000;
const skippedPathUnits = 500;
/** Skipped without loss: what the base's rules ignore, and `.git` folders, which git can't have in a tree. */
const noLoss: ReadonlySet<string> = new Set(["ignored", "git_folder"]);
/** A report is one message, of which the api takes 6 MiB. */
const changesBytes = 4 * 1024 * 1024;

/**
 * Captures the tree of a workspace byte for byte, and the patch from the base to it. Runs nothing of the repository, follows no link, and opens no path of the workspace outside a box.
 * What is not taken is listed with its reason. The capture is then `partial`, unless nothing is lost.
 * @throws CaptureError when a file changes meanwhile, the patch or the list of changes is too large, or a limit of the boxes is hit; SandboxError; the signal's reason
 */
export function createCaptureTree({
  sandbox,
}: {
  readonly sandbox: Sandbox;
}): (what: CaptureAsked, signal: AbortSignal) => Promise<Captured> {
  return async (what, signal) => {
    const { gitDir, base, limits } = what;
    const [given, rules] = [`${gitDir}-asked`, `${gitDir}-rules`];
    const box = createEnumerate(sandbox, { ...what, given });
    try {
      await openCaptureRepository(gitDir, base, signal);
      const tracked = await pathsOf(gitDir, base.tree, signal);
      const ignored = await createIgnoredPaths({ gitDir, base, tracked, rules });
      const listed = await listKept(box, ignored, what, tracked, signal);
      const { wanted, skipped } = choose(listed, tracked, limits);
      const gone = goneOf(listed.kept, wanted, tracked);
      const commit = await commitOnBase({ ...what, gone, wanted, read: box.read }, signal);
      const sizes = new Map(wanted.map(({ path, sizeBytes }) => [path, sizeBytes]));
      const [patch, changes, baseLinks] = await Promise.all([
        patchOf(gitDir, base, commit, limits.patchBytes, signal),
        changesOf(gitDir, base, commit, sizes, signal),
        baseLinksOf(base, tracked),
      ]);
      if (Buffer.byteLength(JSON.stringify(changes)) > changesBytes)
        throw new CaptureError(
          `the list of its ${changes.length} changes is larger than ${changesBytes} bytes; change less`,
        );
      const capture: CaptureJson = {
        repositoryId: what.repository.id,
        ref: what.repository.ref,
        baseCommit: base.commit,
        gitCommit: commit.commit,
        gitTree: commit.tree,
        patchSha256: createHash("sha256").update(patch).digest("hex"),
        changes: [...changes],
        skipped: shownSkips(skipped),
        partial: skipped.some(({ reason }) => !noLoss.has(reason)),
      };
      return { capture, patch, baseLinks, gitDir };
    } catch (error) {
      if (error instanceof GitError) throw new CaptureError(error.message, { cause: error });
      throw error;
    } finally {
      await Promise.all([given, rules].map((folder) => rm(folder, { recursive: true, force: true })));
    }
  };
}

interface KeptAndIgnored {
  readonly kept: readonly Listed[];
  /** Topmost folders: nothing below them is listed. */
  readonly ignored: readonly string[];
}

async function listKept(
  box: Enumerate,
  ignoredOf: IgnoredPaths,
  { fingerprint, limits }: Pick<CaptureAsked, "fingerprint" | "limits">,
  tracked: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<KeptAndIgnored> {
  const entries = Math.max(0, limits.files - tracked.size);
  const left: string[] = [];
  for (let listing = 1; ; listing += 1) {
    const asked = { tracked: tracked.keys(), fingerprint, left, entries, depth: limits.depth };
    const all = await box.list(asked, signal);
    const judged = all.filter(({ kind, path }) => path !== "" && !tracked.has(path) && !unjudged.has(kind));
    const { kept, ignored } = withoutIgnored(all, await ignoredOf(judged, signal));
    const folders = all.filter(({ kind, path }) => kind === "folder" && ignored.has(path)).map(({ path }) => path);
    const isCut = kept.some(({ kind }) => kind === "too_many");
    if (!isCut || folders.length === 0 || listing === mostListings) return { kept, ignored: [...left, ...ignored] };
    left.push(...folders);
  }
}

/** Kinds that the ignore rules are not applied to by name; the rules for their folders decide. */
const unjudged: ReadonlySet<Listed["kind"]> = new Set(["gone", "too_many", "too_deep", "git_folder"]);

/** A listing names a folder before what lies in it. */
function withoutIgnored(listed: readonly Listed[], matching: ReadonlySet<string>) {
  const ignored = new Set<string>();
  const covered = new Set<string>();
  const kept = listed.filter(({ kind, path }) => {
    if (kind === "gone") return true;
    const folder = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    if (ignored.has(folder) || covered.has(folder)) covered.add(path);
    else if (matching.has(path)) ignored.add(path);
    else return true;
    return false;
  });
  return { kept: kept.filter(({ path }) => !ignored.has(path) && !covered.has(path)), ignored };
}

function choose(
  { kept, ignored }: KeptAndIgnored,
  tracked: ReadonlyMap<string, string>,
  limits: CaptureLimits,
): { readonly wanted: readonly Listed[]; readonly skipped: readonly { path: string; reason: string }[] } {
  const skipped = ignored.map((path) => ({ path, reason: "ignored" }));
  const wanted: Listed[] = [];
  let room = limits.bytes;
  const ofBaseFirst = kept.toSorted(
    (a, b) => Number(tracked.has(b.path)) - Number(tracked.has(a.path)) || (a.path < b.path ? -1 : 1),
  );
  for (const file of ofBaseFirst) {
    const { kind, path, sizeBytes } = file;
    if (kind === "gone" || kind === "folder") continue;
    if (kind !== "file" && kind !== "program" && kind !== "link") skipped.push({ path, reason: kind });
    else if (sizeBytes > limits.fileBytes || sizeBytes > room) skipped.push({ path, reason: "oversize" });
    else {
      room -= sizeBytes;
      wanted.push(file);
    }
  }
  return { wanted, skipped };
}

/** Paths of the base that are not in the tree: deleted, or skipped. */
function goneOf(
  kept: readonly Listed[],
  wanted: readonly Listed[],
  tracked: ReadonlyMap<string, string>,
): readonly string[] {
  const taken = new Set(wanted.map(({ path }) => path));
  return [...new Set(kept.map(({ path }) => path))].filter((path) => tracked.has(path) && !taken.has(path));
}

function shownSkips(skipped: readonly { readonly path: string; readonly reason: string }[]): SkippedFileJson[] {
  const sorted = skipped.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const shown = sorted
    .slice(0, mostSkipped)
    .map(({ path, reason }) => ({ path: path === "" ? "." : cutText(shownPath(path), skippedPathUnits), reason }));
  const more = sorted.length - shown.length;
  return more === 0 ? shown : [...shown, { path: `… and ${more} more`, reason: "too_many" }];
}
