import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { PassThrough } from "node:stream";
import type { ChangeJson, ChangeKindJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import type { Base } from "../repo/git-repositories.ts";
import type { GitOptions } from "../repo/run-git.ts";
import { runGit } from "../repo/run-git.ts";
import { shownPath } from "./base-links.ts";
import type { Enumerate, Listed } from "./enumerate.ts";
import { CaptureError } from "./enumerate.ts";

const limitMs = 120_000;
const listBytes = 256 * 1024 * 1024;
const lineBytes = 4_096;
const author = {
  GIT_AUTHOR_NAME: "automation-scheduler",
  GIT_AUTHOR_EMAIL: "automation-scheduler@localhost",
  GIT_COMMITTER_NAME: "automation-scheduler",
  GIT_COMMITTER_EMAIL: "automation-scheduler@localhost",
};
const branch = "refs/heads/captured";
/** Of the year 9999. */
const lastSecond = 253_402_300_799;

/** Options of `git diff`, for the patch and for the list of changes: renames are found, and no settings of the repository or the host apply. */
const compare = ["diff", "-M", "--no-ext-diff", "--no-textconv", "--no-color", "--full-index"];

export interface CapturedCommit {
  /** 40 lower-case hex each. */
  readonly commit: string;
  readonly tree: string;
}

/** Makes a bare repository on the host that borrows the objects of the base. */
export async function openCaptureRepository(gitDir: string, base: Base, signal: AbortSignal): Promise<void> {
  await mkdir(gitDir, { recursive: true });
  await runGit(["init", "--quiet", "--bare", "--template=", gitDir], {
    maxOutputBytes: lineBytes,
    timeoutMs: limitMs,
    signal,
  });
  await writeFile(join(gitDir, "objects/info/alternates"), `${join(base.gitDir, "objects")}\n`);
}

/** @returns paths of a tree, one latin1 character a byte → git's mode, six octal digits */
export async function pathsOf(gitDir: string, tree: string, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const { stdout } = await runGit(["ls-tree", "-r", "-z", "--full-tree", tree], {
    gitDir,
    maxOutputBytes: listBytes,
    timeoutMs: limitMs,
    signal,
  });
  const lines = stdout.toString("latin1").split("\0").slice(0, -1);
  return new Map(lines.map((line) => [line.slice(line.indexOf("\t") + 1), line.slice(0, 6)]));
}

export interface CommitAsked {
  readonly gitDir: string;
  readonly base: Base;
  readonly runId: string;
  readonly gone: readonly string[];
  /** Files, programs and links. */
  readonly wanted: readonly Listed[];
  readonly read: Enumerate["read"];
}

/**
 * Makes one commit on the base: without `gone`, with `wanted` as the box reads them. The same bytes give the same commit.
 * @throws CaptureError, GitError, GitTimeoutError, SandboxError, the signal's reason
 */
export async function commitOnBase(what: CommitAsked, signal: AbortSignal): Promise<CapturedCommit> {
  const { gitDir, base, gone, wanted } = what;
  const asked = { gitDir, maxOutputBytes: lineBytes, timeoutMs: limitMs, signal };
  const env = { GIT_INDEX_FILE: join(gitDir, "captured-index") };
  const said = async (args: readonly string[], more: Partial<GitOptions> = {}) =>
    (await runGit(args, { ...asked, ...more })).stdout.toString().trim();
  const [date, blobs] = await Promise.all([
    said(["rev-list", "--no-walk", "--timestamp", base.commit]).then(dateOf),
    wanted.length === 0 ? [] : storeBlobs(what, signal),
    said(["read-tree", base.tree], { env }),
  ]);
  const entries = wanted.map(({ kind, path }, index) => ({ path, line: `${modeOf(kind)} ${blobs[index]}\t${path}\0` }));
  entries.sort((a, b) => (a.path < b.path ? -1 : 1)); // in order: otherwise git moves entries around for each one
  const lines = [...gone.map((path) => `0 ${"0".repeat(40)}\t${path}\0`), ...entries.map(({ line }) => line)];
  const input = Buffer.from(lines.join(""), "latin1");
  if (lines.length > 0) await said(["update-index", "-z", "--index-info"], { env, input });
  const tree = await said(["write-tree"], { env });
  const commit = await said(["commit-tree", "-p", base.commit, tree], {
    input: Buffer.from(`Work of run ${what.runId}\n`),
    env: { ...author, GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date },
  });
  await said(["update-ref", branch, commit]);
  return { commit, tree };
}

/**
 * The date of a commit on the base: that of the base. If that has no date, or one before 1970 (which git reads as a huge number) or after 9999, it is the first second of 1970.
 * @param said - `<seconds> <commit>`
 * @returns git's internal format; "@", since it takes a small number for something else
 */
function dateOf(said: string): string {
  const seconds = Number(said.split(" ", 1)[0]);
  return `@${seconds <= lastSecond ? seconds : 0} +0000`;
}

/** @returns the object of each wanted file. Bytes are streamed from the box to git. */
async function storeBlobs({ gitDir, wanted, read }: CommitAsked, signal: AbortSignal): Promise<readonly string[]> {
  const marks = join(gitDir, "captured-marks");
  const stream = new PassThrough();
  const stop = new AbortController(); // when one side fails, the other is ended
  const both = AbortSignal.any([signal, stop.signal]);
  const onFault = (error: unknown) => stop.abort(error);
  const put = async (chunk: Buffer) => {
    if (!stream.write(chunk)) await once(stream, "drain", { signal: both });
  };
  // format: the manual page of git fast-import, "Input Format"
  const write = async () => {
    let count = 0;
    const begin = ({ sizeBytes }: Listed) => {
      count += 1;
      return put(Buffer.from(`${count === 1 ? "" : "\n"}blob\nmark :${count}\ndata ${sizeBytes}\n`));
    };
    await read(wanted, { begin, bytes: put }, both);
    await put(Buffer.from("\ndone\n"));
    stream.end();
  };
  const argv = ["-c", "fastimport.unpackLimit=0", "fast-import", "--quiet", "--done", `--export-marks=${marks}`];
  await Promise.all([
    runGit(argv, { gitDir, input: stream, maxOutputBytes: lineBytes, timeoutMs: limitMs, signal: both }).catch(onFault),
    write().catch(onFault),
  ]);
  both.throwIfAborted();
  const blobs: string[] = [];
  for (const [, mark, blob = ""] of (await readFile(marks, "latin1")).matchAll(/^:(\d+) ([0-9a-f]{40})$/gm))
    blobs[Number(mark) - 1] = blob;
  if (blobs.length !== wanted.length) throw new CaptureError("git did not take every file");
  return blobs;
}

/**
 * The patch that `git apply` applies to the base, byte for byte.
 * @throws CaptureError when it is larger than `maxBytes`
 */
export async function patchOf(
  gitDir: string,
  base: Base,
  { commit }: CapturedCommit,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const read = async (stdout: Readable) => {
    let size = 0;
    for await (const chunk of stdout) {
      size += chunk.length;
      if (size > maxBytes)
        throw new CaptureError(`its patch is larger than ${maxBytes} bytes; change less, or let the policy allow more`);
      chunks.push(chunk);
    }
  };
  const asked = { gitDir, read, maxOutputBytes: Number.MAX_SAFE_INTEGER, timeoutMs: limitMs, signal };
  await runGit([...compare, "--binary", base.commit, commit], asked);
  return Buffer.concat(chunks);
}

/** @param sizes - of every file that was added or modified, by path */
export async function changesOf(
  gitDir: string,
  base: Base,
  { commit }: CapturedCommit,
  sizes: ReadonlyMap<string, number>,
  signal: AbortSignal,
): Promise<readonly ChangeJson[]> {
  const asked = { gitDir, maxOutputBytes: listBytes, timeoutMs: limitMs, signal };
  const { stdout } = await runGit([...compare, "--raw", "-z", base.commit, commit], asked);
  const fields = stdout.toString("latin1").split("\0");
  const changes: ChangeJson[] = [];
  for (let at = 0; at + 1 < fields.length; ) {
    const [, mode = "", , , state = ""] = (fields[at] ?? "").split(" ");
    const kind = kinds[state.charAt(0)];
    if (kind === undefined)
      throw new CaptureError(`git names a change of kind ${state}, which this version does not know`);
    const isRename = kind === "CHANGE_KIND_RENAMED";
    const path = fields[at + (isRename ? 2 : 1)] ?? "";
    changes.push({
      path: shownPath(path),
      kind,
      ...(isRename ? { previousPath: shownPath(fields[at + 1] ?? "") } : {}),
      ...(kind === "CHANGE_KIND_DELETED" ? {} : { mode, sizeBytes: String(sizes.get(path) ?? 0) }),
    });
    at += isRename ? 3 : 2;
  }
  return changes;
}

const kinds: Readonly<Record<string, ChangeKindJson>> = {
  A: "CHANGE_KIND_ADDED",
  M: "CHANGE_KIND_MODIFIED",
  T: "CHANGE_KIND_MODIFIED", // a file that became a link, or the other way
  D: "CHANGE_KIND_DELETED",
  R: "CHANGE_KIND_RENAMED",
};

function modeOf(kind: Listed["kind"]): string {
  if (kind === "link") return "120000";
  return kind === "program" ? "100755" : "100644";
}
