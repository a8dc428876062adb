import { readdir, rm, stat, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { holdLock } from "../host/file-lock.ts";
import { BaseUnavailableError } from "./base-unavailable.ts";

/** Mirrors of a tenant that were removed to make room. */
export interface Pruned {
  readonly tenant: string;
  readonly mirrors: number;
  readonly bytes: number;
}

/** Keeps the mirrors of each tenant within a quota, bytes on disk. A mirror is a folder `<tenant>/<sha256>`, and its lock a file beside it. */
export interface MirrorShelf {
  /** Holds a mirror for a run: it is not removed until it is released. */
  hold(folder: string): void;
  release(folder: string): void;
  /**
   * Marks a held mirror as used, and removes the least recently used ones of its tenant until the rest is within the quota. Held ones stay.
   * To be called under the mirror's lock.
   * @throws BaseUnavailableError when the mirror does not fit: it is larger than the quota, and is removed, or the others are in use
   */
  fit(folder: string, signal: AbortSignal): Promise<Pruned>;
}

/** @param quotaBytes - of one tenant; this process alone writes to its mirrors */
export function createMirrorShelf(quotaBytes: number): MirrorShelf {
  const held = new Map<string, number>();
  const count = (folder: string, by: 1 | -1) => {
    const left = (held.get(folder) ?? 0) + by;
    if (left > 0) held.set(folder, left);
    else held.delete(folder);
  };

  const removeUnused = async (folder: string, signal: AbortSignal): Promise<boolean> => {
    if (held.has(folder)) return false;
    const lock = await holdLock(`${folder}.lock`, { wait: false }, signal);
    if (lock === undefined) return false;
    try {
      if (held.has(folder)) return false; // its holder waits for the lock, and makes the mirror again
      await rm(folder, { recursive: true, force: true });
      return true;
    } finally {
      await lock.release();
    }
  };

  return {
    hold: (folder) => count(folder, 1),
    release: (folder) => count(folder, -1),
    async fit(folder, signal) {
      const now = new Date();
      await utimes(folder, now, now);
      const tenantDir = dirname(folder);
      const all = await mirrorsOf(tenantDir);
      const own = all.find((mirror) => mirror.folder === folder)?.bytes ?? 0;
      if (own > quotaBytes) {
        const isShared = (held.get(folder) ?? 0) > 1;
        if (!isShared) await rm(folder, { recursive: true, force: true });
        throw new BaseUnavailableError(
          `its mirror has ${own} bytes, and the mirrors of a tenant may have ${quotaBytes} together`,
          "make the repository smaller, or have the operator raise AUTOMATION_MIRROR_QUOTA_BYTES",
          { isPassing: isShared },
        );
      }
      let total = all.reduce((sum, { bytes }) => sum + bytes, 0);
      let pruned = { tenant: tenantDir.slice(dirname(tenantDir).length + 1), mirrors: 0, bytes: 0 };
      for (const mirror of all.toSorted((a, b) => a.usedMs - b.usedMs)) {
        if (total <= quotaBytes) return pruned;
        if (!(await removeUnused(mirror.folder, signal))) continue;
        total -= mirror.bytes;
        pruned = { ...pruned, mirrors: pruned.mirrors + 1, bytes: pruned.bytes + mirror.bytes };
      }
      if (total <= quotaBytes) return pruned;
      throw new BaseUnavailableError(
        `the mirrors that runs of the tenant use have ${total} bytes, and ${quotaBytes} are allowed together`,
        "start again when other runs have ended, or have the operator raise AUTOMATION_MIRROR_QUOTA_BYTES",
        { isPassing: true },
      );
    },
  };
}

async function mirrorsOf(tenantDir: string) {
  const entries = await readdir(tenantDir, { withFileTypes: true });
  return await Promise.all(
    entries
      .filter((entry) => entry.isDirectory())
      .map(async ({ name }) => {
        const folder = join(tenantDir, name);
        const [bytes, usedMs] = await Promise.all([
          bytesBelow(folder),
          stat(folder).then(({ mtimeMs }) => mtimeMs, gone),
        ]);
        return { folder, bytes, usedMs };
      }),
  );
}

async function bytesBelow(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const sizes = await Promise.all(files.map((file) => stat(file).then(({ size }) => size, gone)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Errors for files that git or another call has removed meanwhile. */
const gone = (error: NodeJS.ErrnoException): number => {
  if (error.code === "ENOENT") return 0;
  throw error;
};
