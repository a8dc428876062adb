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

/** Each file counts at least so many bytes: a file system can hold a limited number of files, even empty ones. */
export const leastBytes = 4_096;
const count = 'du -sxcB1 -- "$@"; du -sxc --inodes -- "$@"';

/**
 * Bytes on disk below folders, counted by `du` in a keeper's box, which can read every folder and follows no link. Each file counts at least 4 KiB.
 * @throws Error when counting fails or takes too long
 */
export async function diskUse({ owner, filterFile, folders }: DiskUseOf): Promise<number> {
  const du = ["sh", "-c", count, "du", ...folders.map((_, at) => keptAt(at))];
  const end = await runKeeper({ owner, filterFile, folders, mode: "ro" }, du, limitMs);
  const totals = [...end.stdout.matchAll(/^(\d+)\ttotal$/gm)]; // when files vanish meanwhile, du exits with 1 but still prints a total
  const [bytes, files] = totals.map(([, total]) => Number(total));
  if (bytes === undefined || files === undefined) throw new Error(`du gave no total: ${lastWords(end.stderr, 300)}`);
  return Math.max(bytes, files * leastBytes);
}

/** Bytes in use on a file system. Each file counts at least 4 KiB. */
export const usedOf = ({ blocks, bfree, bsize, files, ffree }: StatsFs): number =>
  Math.max((blocks - bfree) * bsize, (files - ffree) * leastBytes);

/** Bytes of the files in memory (tmpfs) that a box wrote, seen through its init, which no program in the box can change. 0 while the box is still being set up. */
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

/** Bytes of deleted files that processes still hold open on one file system: `du` does not see them. */
export function namelessUse(pids: readonly number[], device: number): number {
  const sizes = new Map<number, number>();
  for (const pid of pids) {
    for (const name of namesIn(`/proc/${pid}/fd`)) {
      try {
        const file = statSync(`/proc/${pid}/fd/${name}`); // stats the open file, without following a path
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
    return []; // it has ended
  }
}
