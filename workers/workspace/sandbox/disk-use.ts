import { readdirSync, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { lastWords } from "../../../src/text/strangers-text.ts";
import { keptAt, runKeeper } from "./run-keeper.ts";

const limitMs = 60_000;

/** What a box may write to on the host's disk, and who owns it. */
export interface DiskUseOf {
  /** Host user to become; absent without root. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Of system calls, for the keeper's box. */
  readonly filterFile: string;
  /** Host folders. */
  readonly folders: readonly string[];
}

/** What a file costs at least, bytes: a file system has only so many, however empty they are. */
const leastBytes = 4_096;
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

/** Bytes of files in memory that a box wrote; its init's view of them, which nothing in the box can change. */
export async function memoryFilesUse(first: number): Promise<number> {
  const used = await Promise.all(
    ["tmp", "dev/shm"].map((folder) =>
      statfs(`/proc/${first}/root/${folder}`).then(
        ({ blocks, bfree, bsize }) => (blocks - bfree) * bsize,
        () => 0, // it ended meanwhile
      ),
    ),
  );
  return used.reduce((sum, each) => sum + each, 0);
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
