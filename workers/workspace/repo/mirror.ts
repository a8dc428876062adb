import { createHash, randomUUID } from "node:crypto";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { hostFaultOf } from "../host/host-fault.ts";
import { runProgram } from "../host/run-program.ts";
import { systemFolders } from "../sandbox/box/box-command.ts";
import { isRoot } from "../sandbox/slots.ts";
import { BaseUnavailableError, faultOfRemote, remoteFault } from "./base-unavailable.ts";
import type { RepositoryAddress } from "./repository-url.ts";
import type { GitOptions } from "./run-git.ts";
import { GitError, gitSettings, runGit } from "./run-git.ts";

/** How git reaches the remote. */
export interface Remote extends RepositoryAddress {
  /** PEM file of the authorities trusted; the host's own when absent. */
  readonly caFile?: string;
  /** Of system calls, for the box that reads a local repository. */
  readonly filterFile: string;
  /** Memory limit of each git process that talks to it. */
  readonly memoryBytes?: number;
  /** Most bytes of one fetch. */
  readonly fileBytes: number;
}

/** The commit that a mirror shall hold. */
export interface Wanted {
  readonly ref: string;
  /** 40 lower-case hex. */
  readonly commit: string;
}

const lineBytes = 65_536;
const listBytes = 16 * 1024 * 1024;
const askLimitMs = 60_000;
const fetchLimitMs = 900_000;

/**
 * The command line with which git reads a local repository, for git's shell; not used for remote ones. It runs in a box that sees the tenant's root and programs, so that links, whenever they are made,
 * lead to nothing else. `--strict`: only the folder that was checked, not those that git would try beside it.
 */
function uploadPackOf({ root, filterFile }: Remote): string {
  if (root === undefined) return "--upload-pack=git-upload-pack --strict";
  const box = [
    ["bwrap", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--die-with-parent"],
    ["--new-session", "--seccomp", "3", "--cap-drop", "ALL"],
    ...(isRoot() ? ["--cap-add", "CAP_DAC_READ_SEARCH"] : []), // files below a root may belong to any user
    [...systemFolders, "--dev", "/dev", "--ro-bind", root, root, "--ro-bind", gitSettings, gitSettings],
    ["--chdir", "/", "--", "git-upload-pack", "--strict"],
  ].flat();
  return `--upload-pack=${box.map(quoted).join(" ")} 3<${quoted(filterFile)}`;
}

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

const askingOf = ({ protocol, caFile, memoryBytes, fileBytes }: Remote) => ({
  fileBytes,
  ...(memoryBytes === undefined ? {} : { memoryBytes }),
  env: { GIT_ALLOW_PROTOCOL: protocol, ...(caFile === undefined ? {} : { GIT_SSL_CAINFO: caFile }) },
});

/**
 * Asks the remote which commit a ref names now.
 * @throws BaseUnavailableError; the signal's reason
 */
export async function resolveRef(remote: Remote, ref: string, signal: AbortSignal): Promise<string> {
  if (isCommit(ref.toLowerCase())) return ref.toLowerCase();
  const names = namesOfRef(ref);
  const { stdout } = await runGit(["ls-remote", uploadPackOf(remote), "--", remote.url, "HEAD", ...names], {
    ...askingOf(remote),
    maxOutputBytes: listBytes,
    timeoutMs: askLimitMs,
    signal,
  }).catch((error) => {
    if (error instanceof GitError && hostFaultOf(error) === undefined) throw remoteFault(remote.url, error);
    throw faultOfRemote(remote.url, error) ?? error;
  });
  const lines = stdout.toString("utf8").split("\n");
  const found = new Map(lines.map((line) => [line.slice(line.indexOf("\t") + 1), line.slice(0, line.indexOf("\t"))]));
  const commit = names.map((name) => found.get(name)).find((name) => name !== undefined);
  if (commit !== undefined && isCommit(commit)) return commit;
  const isEmpty = !found.has("HEAD");
  const has = commit === undefined ? "no branch, tag or other ref" : `the commit ${commit} as`;
  throw new BaseUnavailableError(
    `the repository ${remote.url} has ${has} "${ref}"${isEmpty ? ", and its HEAD has no commit: it may be empty" : ""}`,
    remedyOfRef(commit ?? ref),
  );
}

function remedyOfRef(ref: string): string {
  if (/^[0-9a-f]{64}$/i.test(ref)) return "repositories with sha256 names are not supported";
  if (/^[0-9a-f]{4,39}$/i.test(ref)) return "a short name of a commit can't be asked for: write all its 40 digits";
  return "name one that `git ls-remote` shows, or push it";
}

/**
 * The newest mirror below a folder; made when there is none. A broken mirror is left as it is, since runs may borrow its objects, and a new one is made;
 * the broken one is removed when the new one breaks, too. To be called under the folder's lock: anything unfinished was left by a dead worker.
 */
export async function openMirror(
  folder: string,
  how: { readonly anew: boolean },
  signal: AbortSignal,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const generations = (await readdir(folder))
    .filter((name) => /^\d+\.git$/.test(name))
    .map((name) => Number.parseInt(name, 10))
    .toSorted((a, b) => b - a);
  const [newest = 0, ...older] = generations;
  if (newest > 0 && !how.anew) {
    const gitDir = join(folder, `${newest}.git`);
    await removeHalfDone(gitDir, signal);
    return gitDir;
  }
  for (const old of older) await rm(join(folder, `${old}.git`), { recursive: true, force: true });
  const made = join(folder, `new-${randomUUID()}`);
  await runGit(["init", "--quiet", "--bare", "--template=", "--", made], {
    maxOutputBytes: lineBytes,
    timeoutMs: askLimitMs,
    signal,
  });
  const gitDir = join(folder, `${newest + 1}.git`);
  await rename(made, gitDir);
  return gitDir;
}

/** Removes lock and temporary files that a killed git left. */
async function removeHalfDone(gitDir: string, signal: AbortSignal): Promise<void> {
  const argv = ["find", gitDir, "-type", "f", "(", "-name", "*.lock", "-o", "-name", "tmp_*", ")", "-delete"];
  await runProgram(argv, signal);
}

/**
 * Brings a commit into a mirror, with all that it needs.
 * @returns its tree
 * @throws BaseUnavailableError when the remote is at fault; GitError when the mirror may be
 */
export async function bringCommit(
  gitDir: string,
  remote: Remote,
  { ref, commit }: Wanted,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const local = { gitDir, maxOutputBytes: lineBytes, timeoutMs: askLimitMs, signal };
  if (!(await isWhole(gitDir, commit, local))) {
    tell(`fetching ${remote.url} at ${commit}`);
    await fetchCommit(gitDir, remote, { ref, commit }, local);
  }
  const { stdout, exitCode } = await runGit(["rev-parse", "--verify", "--quiet", `${commit}^{commit}`], {
    ...local,
    okExitCodes: [0, 1, 128],
  });
  if (exitCode !== 0 || stdout.toString().trim() !== commit) {
    const kind = (await runGit(["cat-file", "-t", commit], local)).stdout.toString().trim();
    throw new BaseUnavailableError(`"${ref}" of ${remote.url} is ${commit}, a ${kind} and no commit`, "name a commit");
  }
  const tree = await runGit(["rev-parse", "--verify", `${commit}^{tree}`], local);
  return tree.stdout.toString().trim();
}

/** A commit is complete only if a ref reaches it: a single object may be left from a killed fetch. */
async function isWhole(gitDir: string, commit: string, local: GitOptions): Promise<boolean> {
  if ((await stat(join(gitDir, "HEAD")).catch(() => undefined)) === undefined)
    throw new GitError("rev-list", undefined, `${gitDir} has no HEAD`);
  const there = await runGit(["cat-file", "-e", commit], { ...local, okExitCodes: [0, 1, 128] });
  if (there.exitCode !== 0) return false;
  const asked = ["rev-list", "--max-count=1", commit, "--not", "--all"];
  const { stdout, exitCode } = await runGit(asked, { ...local, okExitCodes: [0, 128] });
  return exitCode === 0 && stdout.length === 0;
}

/** Fetches the commit itself, or the ref, from servers that give only what they list. */
async function fetchCommit(gitDir: string, remote: Remote, { ref, commit }: Wanted, local: GitOptions): Promise<void> {
  const kept = `refs/kept/${createHash("sha256").update(ref).digest("hex")}`;
  const names = isCommit(ref) ? [] : namesOfRef(ref).filter((name) => !name.endsWith("^{}"));
  let refused: GitError | undefined;
  for (const wanted of [commit, ...names]) {
    const spec = `+${wanted}:${kept}`;
    try {
      const fetch = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--update-shallow"];
      await runGit([...fetch, uploadPackOf(remote), "--", remote.url, spec], {
        ...local,
        ...askingOf(remote),
        timeoutMs: fetchLimitMs,
      });
    } catch (error) {
      if (!local.signal.aborted) await removeHalfDone(gitDir, local.signal);
      const isNotGiven =
        error instanceof GitError && /not our ref|unadvertised object|couldn't find remote ref/i.test(error.stderr);
      if (!isNotGiven) throw faultOfRemote(remote.url, error) ?? error;
      refused ??= error;
      continue;
    }
    if (await isWhole(gitDir, commit, local)) return;
  }
  throw new BaseUnavailableError(
    `the repository ${remote.url} does not give commit ${commit}`,
    "check that it was pushed there; a server may give only what a branch or tag reaches",
    { cause: refused },
  );
}

/** Whether a ref is a commit's own name: 40 lower-case hex. */
const isCommit = (ref: string): boolean => /^[0-9a-f]{40}$/.test(ref);

/**
 * Names that a ref may have on the remote. The first one that exists counts: a full name (`HEAD`, `refs/…`), a branch, a tag, another name below `refs/`. A tag stands for its commit.
 * @returns patterns for `git ls-remote`
 */
function namesOfRef(ref: string): readonly string[] {
  const whole = ref === "HEAD" || ref.startsWith("refs/") ? [ref] : [];
  return [...whole, `refs/heads/${ref}`, `refs/tags/${ref}`, `refs/${ref}`].flatMap((name) => [`${name}^{}`, name]);
}
