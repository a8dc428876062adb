import { execFileSync } from "node:child_process";
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { CaptureAsked, Captured, CaptureLimits } from "../../../workers/workspace/capture/capture-tree.ts";
import { createCaptureTree } from "../../../workers/workspace/capture/capture-tree.ts";
import { takeFingerprint } from "../../../workers/workspace/capture/fingerprint.ts";
import { copyTree } from "../../../workers/workspace/repo/copy-tree.ts";
import type { Base } from "../../../workers/workspace/repo/git-repositories.ts";
import { materialise } from "../../../workers/workspace/repo/materialise.ts";
import { openRunArea } from "../../../workers/workspace/sandbox/area/run-area.ts";
import type { RunFolder } from "../../../workers/workspace/sandbox/area/run-folder.ts";
import { createBubblewrap } from "../../../workers/workspace/sandbox/bubblewrap.ts";
import type { Sandbox } from "../../../workers/workspace/sandbox/sandbox.ts";
import { ownerOfSlot } from "../../../workers/workspace/sandbox/slots.ts";

/** Bytes of a file; `link` is a symbolic link to its text, `program` an executable. */
export type Content = string | Buffer | { readonly link: string } | { readonly program: string };
/** Path, one latin1 character a byte → content. */
export type Tree = Readonly<Record<string, Content>>;

export interface CaptureWorld {
  readonly sandbox: Sandbox;
  /** A copy of a base that holds exactly `tree`, as a run gets it. */
  workspaceOf(tree: Tree): Promise<Workspace>;
  /** The same of a commit that is there. */
  workspaceOn(commit: Omit<Base, "path">): Promise<Workspace>;
  close(): Promise<void>;
}

export interface Workspace {
  readonly dir: string;
  readonly base: Base;
  readonly asked: CaptureAsked;
  put(tree: Tree): Promise<void>;
  remove(...paths: string[]): Promise<void>;
  run(command: string): void;
  capture(limits?: Partial<CaptureLimits>): Promise<Captured>;
  /** What plain `git apply` makes of the base with the patch: a host folder. */
  applied(captured: Captured): Promise<string>;
  /** The tree that git itself makes of the bytes in a folder, without the paths that end in one of these names. */
  treeOf(dir: string, without?: readonly string[]): Promise<string>;
}

const plentyOf: CaptureLimits = {
  files: 50_000,
  bytes: 64 * 1024 * 1024,
  depth: 64,
  fileBytes: 16 * 1024 * 1024,
  patchBytes: 32 * 1024 * 1024,
};
const cleanGit = {
  PATH: process.env.PATH,
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  HOME: "/nonexistent",
};
const anyOwner = { GIT_CONFIG_COUNT: "1", GIT_CONFIG_KEY_0: "safe.directory", GIT_CONFIG_VALUE_0: "*" };
const never = new AbortController().signal;
const git = (args: readonly string[], input: string | Buffer = "", env: Record<string, string> = {}, cwd?: string) =>
  execFileSync("git", args, {
    input,
    env: { ...cleanGit, ...env },
    cwd,
    maxBuffer: 2 ** 28,
    stdio: ["pipe", "pipe", "pipe"],
  });

export async function startCaptureWorld(): Promise<CaptureWorld> {
  const root = await mkdtemp(join(process.getuid?.() === 0 ? "/var/tmp" : tmpdir(), "automation-capture-test-"));
  await chmod(root, 0o711);
  const nodeDir = resolve(dirname(process.execPath), "..");
  const area = await openRunArea({ root: join(root, "area"), nodeDir, ownerOf: ownerOfSlot, signal: never });
  const sandbox = createBubblewrap({ area });
  const folders: RunFolder[] = [];
  let nextSlot = 0;
  const scratchOf = (slot: number) => join(root, `scratch-${slot}`);
  const workspaceOn = async (commit: Omit<Base, "path">) => {
    const slot = nextSlot;
    nextSlot += 1;
    const folder = await area.openRun(slot, never);
    folders.push(folder);
    return await openWorkspace({ sandbox, folder, slot, scratch: scratchOf(slot) }, commit);
  };
  return {
    sandbox,
    workspaceOn,
    workspaceOf: async (tree) => await workspaceOn(await commitOf(scratchOf(nextSlot), tree)),
    async close() {
      for (const folder of folders) await folder.remove();
      await area.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

async function commitOf(scratch: string, tree: Tree): Promise<Omit<Base, "path">> {
  const gitDir = join(scratch, "base.git");
  const plain = join(scratch, "plain");
  await put(plain, tree);
  git(["init", "--quiet", "--bare", gitDir]);
  const treeId = await gitTreeOf(gitDir, plain, []);
  const dates = { GIT_AUTHOR_DATE: "1700000000 +0000", GIT_COMMITTER_DATE: "1700000000 +0000" };
  const names = { GIT_AUTHOR_NAME: "a", GIT_AUTHOR_EMAIL: "a@b", GIT_COMMITTER_NAME: "a", GIT_COMMITTER_EMAIL: "a@b" };
  const made = git(["--git-dir", gitDir, "commit-tree", "-m", "base", treeId], "", { ...dates, ...names });
  return { commit: made.toString().trim(), tree: treeId, gitDir };
}

async function openWorkspace(
  at: { sandbox: Sandbox; folder: RunFolder; slot: number; scratch: string },
  commit: Omit<Base, "path">,
): Promise<Workspace> {
  const { sandbox, folder, slot, scratch } = at;
  await mkdir(scratch, { recursive: true });
  const base: Base = { ...commit, path: join(scratch, "base") };
  await mkdir(base.path);
  await materialise(base, base.path, {}, never);
  const dir = await folder.newFolder("workspace");
  await copyTree(base.path, dir, sandbox.ownerOf(slot), never);
  const asked: CaptureAsked = {
    slot,
    runId: "run-1",
    repository: { id: "shop", ref: "main" },
    base,
    workspace: dir,
    fingerprint: await takeFingerprint(dir, never),
    home: await folder.newFolder("capture-home"),
    gitDir: join(folder.dir, "capture.git"),
    limits: plentyOf,
  };
  const captureTree = createCaptureTree({ sandbox });
  return {
    dir,
    base,
    asked,
    put: (more) => put(dir, more),
    async remove(...paths) {
      for (const path of paths) await rm(bytesOf(dir, path), { recursive: true });
    },
    run: (command) =>
      void execFileSync("bash", ["-ec", command], { cwd: dir, env: { ...cleanGit, ...anyOwner }, stdio: "pipe" }),
    async capture(limits = {}) {
      await rm(asked.gitDir, { recursive: true, force: true });
      return await captureTree({ ...asked, limits: { ...plentyOf, ...limits } }, AbortSignal.timeout(60_000));
    },
    async applied({ patch }) {
      const to = await mkdtemp(join(scratch, "applied-"));
      await materialise(base, to, {}, never);
      if (patch.length > 0) git(["apply", "-"], patch, { GIT_CEILING_DIRECTORIES: scratch }, to);
      return to;
    },
    treeOf: (folderOf, without = []) => gitTreeOf(base.gitDir, folderOf, without),
  };
}

const bytesOf = (dir: string, path: string) => Buffer.concat([Buffer.from(`${dir}/`), Buffer.from(path, "latin1")]);

async function put(dir: string, tree: Tree): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const [path, content] of Object.entries(tree)) {
    const to = bytesOf(dir, path);
    if (path.includes("/")) await mkdir(bytesOf(dir, path.slice(0, path.lastIndexOf("/"))), { recursive: true });
    await rm(to, { force: true, recursive: true });
    if (typeof content === "string" || Buffer.isBuffer(content)) await writeFile(to, content, { mode: 0o644 });
    else if ("link" in content) await symlink(content.link, to);
    else await writeFile(to, content.program, { mode: 0o755 });
  }
}

/** What an independent `git hash-object`, `update-index` and `write-tree` make of the bytes in a folder. */
async function gitTreeOf(gitDir: string, dir: string, without: readonly string[]): Promise<string> {
  const lines: Buffer[] = [];
  const walk = async (folder: string): Promise<void> => {
    for (const entry of await readdir(folder === "" ? dir : bytesOf(dir, folder), { encoding: "buffer" })) {
      const name = entry.toString("latin1");
      const path = folder === "" ? name : `${folder}/${name}`;
      if (without.includes(name)) continue;
      const stat = await lstat(bytesOf(dir, path));
      if (stat.isDirectory()) {
        await walk(path);
        continue;
      }
      if (!stat.isSymbolicLink() && !stat.isFile()) throw new Error(`${path} is no file`);
      const bytes = stat.isSymbolicLink()
        ? await readlink(bytesOf(dir, path), { encoding: "buffer" })
        : await readFile(bytesOf(dir, path));
      const mode = stat.isSymbolicLink() ? "120000" : (stat.mode & 0o100) === 0 ? "100644" : "100755";
      const id = git(["--git-dir", gitDir, "hash-object", "-w", "--no-filters", "--stdin"], bytes).toString().trim();
      lines.push(Buffer.from(`${mode} ${id}\t${path}\0`, "latin1"));
    }
  };
  await walk("");
  const index = { GIT_INDEX_FILE: join(gitDir, "scratch-index"), GIT_DIR: gitDir };
  await rm(index.GIT_INDEX_FILE, { force: true });
  git(["update-index", "-z", "--index-info"], Buffer.concat(lines), index);
  return git(["write-tree"], "", index).toString().trim();
}
