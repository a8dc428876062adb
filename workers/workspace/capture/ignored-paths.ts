import { constants, copyFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Base } from "../repo/git-repositories.ts";
import { runGit } from "../repo/run-git.ts";
import type { Listed } from "./enumerate.ts";

export type IgnoredPaths = (asked: readonly Listed[], signal: AbortSignal) => Promise<ReadonlySet<string>>;

const limitMs = 60_000;
const slackBytes = 4_096;

/**
 * Applies the ignore files of the base to paths. Ignore files that the workspace adds or changes have no effect.
 * Git asks the disk whether a path is a folder, so it works on a host-owned tree of the base's ignore files and empty copies of the listed folders.
 * @param rules - host folder to be made
 * @param tracked - paths of the base → git's mode
 */
export async function createIgnoredPaths(what: {
  readonly gitDir: string;
  readonly base: Base;
  readonly tracked: ReadonlyMap<string, string>;
  readonly rules: string;
}): Promise<IgnoredPaths> {
  const files = [...what.tracked].filter(([path, mode]) => /(^|\/)\.gitignore$/.test(path) && mode.startsWith("100"));
  for (const [path] of files) {
    const to = within(what.rules, path);
    await mkdir(within(what.rules, dirname(path)), { recursive: true });
    await copyFile(within(what.base.path, path), to, constants.COPYFILE_EXCL);
  }
  if (files.length === 0) return async () => new Set();

  return async (asked, signal) => {
    if (asked.length === 0) return new Set();
    for (const { path } of asked.filter(({ kind }) => kind === "folder")) {
      signal.throwIfAborted();
      await makeFolder(within(what.rules, path));
    }
    const input = Buffer.from(asked.map(({ path }) => `./${path}\0`).join(""), "latin1"); // "./", since git treats a leading ":" specially
    const { stdout } = await runGit(
      ["--work-tree=.", "-c", "core.excludesFile=/dev/null", "check-ignore", "--no-index", "--stdin", "-z"],
      {
        gitDir: what.gitDir,
        cwd: what.rules,
        input,
        maxOutputBytes: input.length + slackBytes,
        timeoutMs: limitMs,
        signal,
        okExitCodes: [0, 1], // 1: none is ignored
      },
    );
    return new Set(
      stdout
        .toString("latin1")
        .split("\0")
        .filter((path) => path !== "")
        .map((path) => path.slice(2)),
    );
  };
}

/** A listed folder may have the name of an ignore file of the base; the file stays. */
async function makeFolder(path: Buffer): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    if (!["EEXIST", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

const within = (folder: string, path: string) =>
  Buffer.from(join(Buffer.from(folder).toString("latin1"), path), "latin1");
