import {
  chmod,
  chown,
  constants,
  copyFile,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rm,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import type { FileLock } from "../../host/file-lock.ts";
import { holdLock } from "../../host/file-lock.ts";
import { systemCallFilter } from "../box/system-call-filter.ts";
import { architectureOf } from "../box/system-calls.ts";
import { findControlGroups } from "../limits/control-groups.ts";
import type { Sandbox } from "../sandbox.ts";
import { RunAreaError } from "../sandbox-errors.ts";
import { isRoot } from "../slots.ts";
import { writeBoxFiles } from "./etc-of-boxes.ts";
import { faultOfRoom } from "./free-room.ts";
import { faultOfDisks, unmountDisks } from "./place-disk.ts";
import { reapLeftovers } from "./reap-leftovers.ts";
import { removeTree } from "./remove-tree.ts";
import type { RunFolder } from "./run-folder.ts";
import { runFolderAt } from "./run-folder.ts";

/** The folder of the host that holds everything boxes must reach. It belongs to one worker. */
export interface RunArea {
  readonly root: string;
  readonly basesDir: string;
  readonly mirrorsDir: string;
  readonly bundlesDir: string;
  readonly runsDir: string;
  /** Only the worker may enter it. */
  readonly pipesDir: string;
  /** File with the system call filter for boxes that run our own programs only. */
  readonly filterFile: string;
  /** Why places can't have file systems of their own; absent when they can. */
  readonly faultOfDisks: string | undefined;
  /** Makes the folder of one run in one slot. Removes what was there before. */
  openRun(slot: number, signal: AbortSignal): Promise<RunFolder>;
  /** Removes what earlier workers left: processes, mounts, groups, run folders. */
  reap(signal: AbortSignal): Promise<void>;
  /** Says what its disk lacks for work to begin; undefined: nothing. @param times - how many times the minimum must be free */
  faultOfRoom(times: number): Promise<string | undefined>;
  /** Releases its lock. No box may be running any more. */
  close(): Promise<void>;
}

export interface RunAreaOptions {
  /** Absolute; every folder above it must let anyone pass when the worker is root. Made when absent. */
  readonly root: string;
  /** Holds `bin/node`: what boxes see at /opt/node. */
  readonly nodeDir: string;
  readonly ownerOf: Sandbox["ownerOf"];
  readonly signal: AbortSignal;
}

/**
 * Opens the run area for this worker alone. A dead worker holds no lock.
 * @throws RunAreaError when another worker uses it, others can write to it, or the users of boxes can't reach it
 */
export async function openRunArea({ root: asked, nodeDir, ownerOf, signal }: RunAreaOptions): Promise<RunArea> {
  const root = await makeRoot(asked);
  const lock = await lockArea(root, signal);
  try {
    const [basesDir, mirrorsDir, bundlesDir, runsDir] = await Promise.all(
      ["bases", "mirrors", "bundles", "runs"].map((name) => makeFolder(join(root, name), 0o711)),
    );
    if (!basesDir || !mirrorsDir || !bundlesDir || !runsDir) throw new TypeError("four folders were made");
    const pipesDir = join(root, "pipes");
    await rm(pipesDir, { recursive: true, force: true });
    await makeFolder(pipesDir, 0o700);
    await writeBoxFiles("/etc", join(root, "etc"));
    await placeNode(root, nodeDir);
    const filterFile = join(root, "seccomp.bpf");
    await writeFile(filterFile, systemCallFilter(architectureOf(), { allocation: false, unownedMemory: false }));
    const remove = async (path: string, limit: AbortSignal) => {
      await unmountDisks(path, limit);
      await removeTree(path, filterFile, limit);
    };
    const fault = await faultOfDisks(root, signal);
    return {
      root,
      basesDir,
      mirrorsDir,
      bundlesDir,
      runsDir,
      pipesDir,
      filterFile,
      faultOfDisks: fault,
      openRun: async (slot, openSignal) => {
        const dir = join(runsDir, String(slot));
        await remove(dir, openSignal);
        await makeFolder(dir, 0o710); // keeps others out, even if a run makes its own folders readable for all
        const owner = ownerOf(slot);
        if (isRoot()) await chown(dir, 0, owner.gid);
        return runFolderAt(dir, { owner, hasDisks: fault === undefined, remove });
      },
      reap: async (reapSignal) => {
        await reapLeftovers(root, reapSignal);
        for (const name of await readdir(runsDir)) await remove(join(runsDir, name), reapSignal);
      },
      faultOfRoom: (times) => faultOfRoom(root, times),
      close: async () => {
        await findControlGroups(root)?.removeAll();
        await lock.release();
      },
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Makes the root, or checks that the existing one belongs to this user and that nobody else can write to it. */
async function makeRoot(asked: string): Promise<string> {
  await mkdir(asked, { mode: 0o711 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "EEXIST") return;
    const why = `run area "${asked}" can't be made: ${error.message}`;
    throw new RunAreaError("run_area_unusable", asked, `${why}; name a folder whose parent exists`, { cause: error });
  });
  const found = await lstat(asked);
  if (!found.isDirectory() || found.uid !== process.geteuid?.() || (found.mode & 0o022) !== 0) {
    const why = `run area "${asked}" must be a folder that belongs to the worker's user and that nobody else may write to`;
    throw new RunAreaError("run_area_unusable", asked, `${why}; remove it or name another one`);
  }
  await chmod(asked, 0o711);
  const root = await realpath(asked);
  for (let above = dirname(root); isRoot() && above !== "/"; above = dirname(above)) {
    if (((await lstat(above)).mode & 0o001) !== 0) continue;
    const why = `run area "${root}": boxes run as other users, and "${above}" lets nobody pass`;
    throw new RunAreaError("run_area_unusable", root, `${why}; use a place such as /var/tmp, or chmod o+x "${above}"`);
  }
  return root;
}

/**
 * Takes the exclusive lock of a run area.
 * @throws RunAreaError `run_area_locked` when another worker holds it; the signal's reason
 */
async function lockArea(root: string, signal: AbortSignal): Promise<FileLock> {
  const file = `${root}/lock`;
  await (await open(file, "a", 0o600)).close();
  await chmod(file, 0o600); // everybody who can open it can lock it
  const refused = (why: string, options?: ErrorOptions) =>
    new RunAreaError("run_area_locked", root, `run area "${root}": ${why}; give each worker its own run area`, options);
  const lock = await holdLock(file, { wait: false }, signal).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw refused(cause instanceof Error ? cause.message : String(cause), { cause });
  });
  if (lock === undefined) throw refused("another worker uses it");
  return lock;
}

async function makeFolder(path: string, mode: number): Promise<string> {
  await mkdir(path, { recursive: true });
  await chmod(path, mode);
  return path;
}

/** Puts Node where boxes see it: a hard link where possible, else a copy. */
async function placeNode(root: string, nodeDir: string): Promise<void> {
  const from = await realpath(join(nodeDir, "bin/node"));
  await makeFolder(join(root, "toolchains"), 0o755);
  await makeFolder(join(root, "toolchains/node"), 0o755);
  const bin = await makeFolder(join(root, "toolchains/node/bin"), 0o755);
  const to = join(bin, "node");
  const fresh = join(bin, "node.new");
  await rm(fresh, { force: true });
  await link(from, fresh).catch(() => copyFile(from, fresh, constants.COPYFILE_FICLONE));
  const { mode } = await lstat(fresh);
  if ((mode & 0o005) !== 0o005) {
    await rm(fresh);
    await copyFile(from, fresh, constants.COPYFILE_FICLONE);
    await chmod(fresh, 0o755);
  }
  await rename(fresh, to);
}
