import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { devNull } from "node:os";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { CliError } from "../../src/cli/cli-error.ts";
import { runProgram } from "../engines/run-program.ts";

const limitMs = 30_000;
const who = { NAME: "Webshop", EMAIL: "webshop@automation.example", DATE: "2026-01-05T09:00:00Z" };

/** A local repository and the commit that the demo starts from. */
export interface DemoRepository {
  /** `file:///…` */
  readonly url: string;
  /** 40 lower-case hex: the same on every machine for the same files. */
  readonly commit: string;
}

/**
 * Makes a git repository of a folder: one commit on `main`, with fixed dates and identity, ignoring the user's git settings.
 * A repository whose `main` contains this commit is kept as it is; any other is replaced.
 * @throws CliError 1 when git is not installed or fails
 */
export async function makeDemoRepository(from: string, to: string, signal: AbortSignal): Promise<DemoRepository> {
  mkdirSync(dirname(to), { recursive: true });
  const made = mkdtempSync(join(dirname(to), `.${basename(to)}-`));
  try {
    cpSync(from, made, { recursive: true });
    const git = (dir: string, ...args: string[]) => runGit(dir, args, signal);
    await git(made, "init", "--quiet", "--template=", "--initial-branch=main");
    await git(made, "add", "--all");
    await git(made, "commit", "--quiet", "--message=Invoice totals and due dates");
    const commit = await git(made, "rev-parse", "HEAD");
    const isKept = existsSync(to) && (await hasCommit(to, commit, signal));
    if (!isKept) {
      rmSync(to, { recursive: true, force: true });
      renameSync(made, to);
    }
    return { url: pathToFileURL(to).href, commit };
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}

async function hasCommit(dir: string, commit: string, signal: AbortSignal): Promise<boolean> {
  try {
    await runGit(dir, ["merge-base", "--is-ancestor", commit, "refs/heads/main"], signal);
    return true;
  } catch (error) {
    if (error instanceof CliError) return false;
    throw error;
  }
}

/** @returns what git printed */
async function runGit(dir: string, args: readonly string[], signal: AbortSignal): Promise<string> {
  const settings = ["core.fileMode=false", "core.autocrlf=false", `core.attributesFile=${devNull}`, "safe.directory=*"];
  const argv = ["git", `--git-dir=${join(dir, ".git")}`, `--work-tree=${dir}`];
  const env = {
    PATH: process.env.PATH,
    LC_ALL: "C",
    HOME: devNull,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: devNull,
    GIT_ATTR_NOSYSTEM: "1",
    GIT_DEFAULT_HASH: "sha1",
    ...Object.fromEntries(
      Object.entries(who).flatMap(([key, value]) => [
        [`GIT_AUTHOR_${key}`, value],
        [`GIT_COMMITTER_${key}`, value],
      ]),
    ),
  };
  const withSettings = [...argv, ...settings.flatMap((setting) => ["-c", setting]), ...args];
  const { code, stdout, stderr } = await runProgram(withSettings, { cwd: dir, env, limitMs, signal }).catch(
    (cause: NodeJS.ErrnoException) => {
      if (cause.code !== "ENOENT") throw cause;
      throw new CliError(1, "git is not installed; install git 2.28 or newer", { cause });
    },
  );
  if (code !== 0) throw new CliError(1, `git ${args[0]} failed in ${dir}: ${stderr.trim() || `exit code ${code}`}`);
  return stdout.trim();
}
