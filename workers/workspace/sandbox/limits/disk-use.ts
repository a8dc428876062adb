import type { StatsFs } from "node:fs";
import { readdirSync, statSync } from "node:fs";
import { stat, statfs } from "node:fs/promises";
import { lastWords } from "../../../../src/text/strangers-text.ts";
import { keptAt, runKeeper } from "../area/run-keeper.ts";

const limitMs = 60_000;

/** What a box may write to on the host's disk, and who owns it. */
export interface DiskUseOf {
  /** Host user to become; absent without root. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Of system calls, for the keeper's box. */
  readonly filterFile: string;
  /** Host folders. */
  readonly folders: readonly string[];
  /** Whether they are all that lies on their file system. */
  readonly hasOwnDisk: boolean;
}

/** What a file costs at least, bytes: a file system has only so many, however empty they are. */
export const leastBytes = 4_096;
const count = 'du -sxcB1 -- "$@"; du -sxc --inodes -- "$@"';

/**
 * Bytes on disk below folders, as `du` in a keeper's box counts them: it sees unreadable folders too, and follows no link. Files count 4 KiB each at least.
 * @throws when it could not be counted in time
 */
export async function diskUse({ owner, filterFile, folders }: DiskUseOf): Promise<number> {
  const du = ["sh", "-c", count, "du", ...folders.map((_, at) => keptAt(at))];
  const end = await runKeeper({ owner, filterFile, folders, mode: "ro" }, du, limitMs);
  const totals = [...end.stdout.matchAll(/^(\d+)\ttotal$/gm)]; // files that vanish meanwhile make it end with 1, with a total
  const [bytes, files] = totals.map(([, total]) => Number(total));
  if (bytes === undefined || files === undefined) throw new Error(`du gave no total: ${lastWords(end.stderr, 300)}`);
  return Math.max(bytes, files * leastBytes);
}

/** Bytes in use on a file system; files count 4 KiB each at least. */
export const usedOf = ({ blocks, bfree, bsize, files, ffree }: StatsFs): number =>
  Math.max((blocks - bfree) * bsize, (files - ffree) * leastBytes);

/** Bytes of files in memory that a box wrote; its init's view of them, which nothing in the box can change. None while it still has the host's view. */
export async function memoryFilesUse(first: number): Promise<number> {
  const root = `/proc/${first}/root`;
  const usedIn = async (folder: string) => usedOf(await statfs(`${root}/${folder}`));
  try {
    if ((await stat(`${root}/`)).dev === statSync("/").dev) return 0;
    const used = await Promise.all([usedIn("tmp"), usedIn("dev/shm")]);
    return used.reduce((sum, each) => sum + each, 0);
  } catch {
    return 0; // it is still being made, or ended meanwhile
  }
}

/** Bytes of files without a name that processes still hold open on one file system: no folder shows them. */
export function namelessUse(pids: readonly number[], device: number): number {
  const sizes = new Map<number, number>();
  for (const pid of pids) {
    for (const name of namesIn(`/proc/${pid}/fd`)) {
      try {
        const file = statSync(`/proc/${pid}/fd/${name}`); // the open file itself: no path is walked
        if (file.isFile() && file.nlink === 0 && file.dev === device) sizes.set(file.ino, file.blocks * 512);
      } catch {} // it was closed meanwhile
    }
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // it ended meanwhile
  }
}
