import { randomUUID } from "node:crypto";
import { renameSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** How many unused bases are kept. */
export interface ShelfLimits {
  readonly bases: number;
  readonly bytes: number;
}

/** Prepared trees, shared by the runs of a tenant. A tree is complete or not there. */
export interface BaseShelf {
  /**
   * Gives the tree of a commit, and holds it until it is released. `make` writes it when it is not there.
   * @returns folder of the tree
   */
  hold(tenant: string, commit: string, make: (folder: string) => Promise<{ readonly bytes: number }>): Promise<string>;
  release(path: string): void;
  /** Removes the least recently used bases until the rest is within the limits. Held ones stay. */
  evict(): Promise<void>;
}

/**
 * Layout: `<dir>/<tenant>/<commit>/tree`, and beside it a file `bytes`, which is touched at each use.
 * @param dir - this process alone writes to it
 */
export function createBaseShelf(dir: string, limits: ShelfLimits): BaseShelf {
  const held = new Map<string, number>();
  const placeOf = (tenant: string, commit: string) => join(dir, tenant, commit);

  const make = async (place: string, write: Parameters<BaseShelf["hold"]>[2]) => {
    const fresh = `${place}.${randomUUID()}.new`;
    try {
      await mkdir(join(fresh, "tree"), { recursive: true, mode: 0o700 });
      const { bytes } = await write(join(fresh, "tree"));
      await writeFile(join(fresh, "bytes"), String(bytes));
      await rename(fresh, place).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
        await rm(fresh, { recursive: true }); // another repository of the tenant has the same commit, and a concurrent call was faster
      });
    } catch (error) {
      await rm(fresh, { recursive: true, force: true });
      throw error;
    }
  };
  const count = (path: string, by: 1 | -1) => {
    const left = (held.get(path) ?? 0) + by;
    if (left > 0) held.set(path, left);
    else held.delete(path);
  };

  return {
    async hold(tenant, commit, write) {
      const place = placeOf(tenant, commit);
      const path = join(place, "tree");
      count(path, 1); // before the first await, so that it can't be evicted meanwhile
      try {
        if ((await stat(path).catch(() => undefined)) === undefined) await make(place, write);
        const now = new Date();
        await utimes(join(place, "bytes"), now, now);
        return path;
      } catch (error) {
        count(path, -1);
        throw error;
      }
    },
    release: (path) => count(path, -1),
    async evict() {
      const all = (await Promise.all((await namesIn(dir)).map((tenant) => basesOf(join(dir, tenant))))).flat();
      let bases = all.length;
      let bytes = all.reduce((sum, base) => sum + base.bytes, 0);
      for (const base of all.toSorted((a, b) => a.usedMs - b.usedMs)) {
        if (bases <= limits.bases && bytes <= limits.bytes) return;
        if (held.has(join(base.place, "tree"))) continue;
        const gone = `${base.place}.${randomUUID()}.gone`;
        if (!renameQuietly(base.place, gone)) continue; // synchronous with the check of `held`, so that nobody takes it in between
        await rm(gone, { recursive: true, force: true });
        bases -= 1;
        bytes -= base.bytes;
      }
    },
  };
}

async function basesOf(folder: string) {
  const found = await Promise.all(
    (await namesIn(folder))
      .filter((name) => /^[0-9a-f]{40}$/.test(name))
      .map(async (name) => {
        const place = join(folder, name);
        const bytes = join(place, "bytes");
        try {
          return [{ place, bytes: Number(await readFile(bytes, "utf8")), usedMs: (await stat(bytes)).mtimeMs }];
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === "ENOENT") return []; // another call has just removed it
          throw error;
        }
      }),
  );
  return found.flat();
}

const namesIn = (folder: string) =>
  readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });

function renameQuietly(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return false; // another eviction was faster
  }
}
