import { chmod, chown, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { DiskLimitError, RunAreaError } from "../sandbox-errors.ts";
import { isRoot } from "../slots.ts";
import { isFull, mountDisk, settleDisk } from "./place-disk.ts";

/** The folder of one run. */
export interface RunFolder {
  readonly dir: string;
  /** Makes an empty folder of the slot's user, 0700. @param name - one path segment */
  newFolder(name: string): Promise<string>;
  /** Makes an empty folder of the worker, 0755: boxes may read it. @param name - one path segment */
  newHostFolder(name: string): Promise<string>;
  /**
   * Makes an empty workspace and an empty home for the slot's user, on a file system of their own where the area supports that.
   * @param name - one path segment
   * @param diskBytes - limit for both together
   */
  newPlace(name: string, diskBytes: number, signal: AbortSignal): Promise<Place>;
  /** Removes the folder and everything in it, whatever modes and links a run left. */
  remove(signal?: AbortSignal): Promise<void>;
}

/** A workspace and a home, which several boxes may use one after the other. */
export interface Place {
  readonly workspace: string;
  readonly home: string;
  /** Does work that puts files there. @throws DiskLimitError when they don't fit; what the work throws */
  fill<Result>(work: () => Promise<Result>): Promise<Result>;
  /** Waits until everything written there is on the area's disk. @throws RunAreaError when that disk had no room for it */
  settle(signal: AbortSignal): Promise<void>;
  remove(): Promise<void>;
}

export interface RunFolderHow {
  readonly owner: { readonly uid: number; readonly gid: number };
  readonly hasDisks: boolean;
  readonly remove: (path: string, signal: AbortSignal) => Promise<void>;
}

export function runFolderAt(dir: string, { owner, hasDisks, remove }: RunFolderHow): RunFolder {
  const pathOf = (name: string) => {
    if (!/^[a-z0-9_][a-z0-9._-]{0,99}$/i.test(name)) {
      throw new RunAreaError("run_area_unusable", dir, `folder name "${name}" must be one plain path segment`);
    }
    return join(dir, name);
  };
  const newOwned = async (path: string) => {
    await mkdir(path, { mode: 0o700 });
    if (isRoot()) await chown(path, owner.uid, owner.gid);
    return path;
  };
  const newHostFolder = async (name: string) => {
    const path = pathOf(name);
    await mkdir(path);
    await chmod(path, 0o755);
    return path;
  };
  const removeAt =
    (path: string) =>
    (signal = new AbortController().signal) =>
      remove(path, signal);
  return {
    dir,
    newFolder: async (name) => await newOwned(pathOf(name)),
    newHostFolder,
    newPlace: async (name, diskBytes, signal) => {
      const at = await newHostFolder(name);
      if (hasDisks) await mountDisk(at, diskBytes, signal);
      const [workspace, home] = [await newOwned(join(at, "workspace")), await newOwned(join(at, "home"))];
      const fill: Place["fill"] = (work) =>
        work().catch(async (error: unknown) => {
          throw hasDisks && (await isFull(at)) ? new DiskLimitError(diskBytes) : error; // without the cause, which would be taken for a full disk of the host
        });
      const settle: Place["settle"] = async (until) => {
        if (hasDisks) await settleDisk(at, until);
      };
      return { workspace, home, fill, settle, remove: () => removeAt(at)() };
    },
    remove: removeAt(dir),
  };
}
