import type { StatsFs } from "node:fs";
import { statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { processesBelow } from "../box/box-processes.ts";
import type { BoxLimits } from "../sandbox.ts";
import type { DiskUseOf } from "./disk-use.ts";
import { diskUse, leastBytes, memoryFilesUse, namelessUse, usedOf } from "./disk-use.ts";

export interface WatchedDisk {
  readonly limits: Pick<BoxLimits, "diskBytes">;
  readonly disk: DiskUseOf;
  /** The host's number of the box's first process; undefined until it is known. */
  readonly first: () => number | undefined;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

const lookEveryMs = 50;
const countEveryMs = 500;
/** Counting may take at most this share of the time, since a large tree takes long to count. */
const countShare = 0.1;

/**
 * Watches what a box writes: folders, files in memory, deleted files still open. Where its folders have a file system of their own, that file system says at each look what is in use, and is full just above the limit.
 * Elsewhere the folders are counted from time to time, and at once when the file system lost more room or files than the box had left.
 * @param report - told each time the box is seen beyond its limit
 */
export function watchDisk(
  box: WatchedDisk,
  report: (mechanism: "hard" | "watchdog", peak: number) => void,
): { end(): Promise<void> } {
  const look = box.disk.hasOwnDisk ? lookAtOwnDisk(box, report) : lookAtSharedDisk(box, report);
  const ended = new AbortController();
  const looking = (async () => {
    for (; !ended.signal.aborted; await wait(lookEveryMs, undefined, { signal: ended.signal }).catch(() => undefined))
      await look({ isLast: false }).catch(() => undefined); // a count that fails is tried again at the next look
  })();
  return {
    end: async () => {
      if (ended.signal.aborted) return await looking;
      ended.abort();
      await looking;
      await look({ isLast: true }); // the box may have ended at the limit, or before the first look
    },
  };
}

type Look = (how: { readonly isLast: boolean }) => Promise<void>;
type Report = Parameters<typeof watchDisk>[1];

const inMemory = (first: number | undefined) => (first === undefined ? 0 : memoryFilesUse(first));

function lookAtOwnDisk({ limits, disk, first }: WatchedDisk, report: Report): Look {
  const [folder = "/"] = disk.folders;
  return async () => {
    const used = usedOf(await statfs(folder));
    if (used > limits.diskBytes) return report("hard", used);
    const all = used + (await inMemory(first()));
    if (all > limits.diskBytes) report("watchdog", all);
  };
}

function lookAtSharedDisk({ limits, disk, first, now }: WatchedDisk, report: Report): Look {
  const [folder = "/"] = disk.folders;
  const device = statSync(folder).dev;
  let before: StatsFs | undefined;
  let counted:
    | { readonly at: number; readonly tookMs: number; readonly used: number; readonly free: StatsFs }
    | undefined;

  const count = async (free: StatsFs, since: StatsFs) => {
    const at = now();
    const named = (await diskUse(disk)) + (await inMemory(first()));
    // look for deleted open files only when more room is gone than the folders explain
    const isExplained = named > limits.diskBytes || goneBetween(since, free) <= limits.diskBytes;
    const pid = first();
    const used = named + (isExplained || pid === undefined ? 0 : namelessUse(processesBelow(pid), device));
    counted = { at, tookMs: now() - at, used, free };
    if (used > limits.diskBytes) report("watchdog", used);
  };

  return async ({ isLast }) => {
    const free = await statfs(folder);
    before ??= free;
    const last = counted ?? { at: now(), tookMs: 0, used: 0, free: before };
    counted ??= last;
    const isOutrun = goneBetween(last.free, free) > limits.diskBytes - last.used;
    const isDue = now() - last.at >= Math.max(countEveryMs, last.tookMs / countShare);
    if (isOutrun || isDue || isLast) await count(free, before); // at the end always count: others may have freed room that would hide what the box took
  };
}

/** Room that a file system lost, whoever took it. Each file counts at least 4 KiB. */
const goneBetween = (before: StatsFs, after: StatsFs) =>
  Math.max((before.bavail - after.bavail) * before.bsize, (before.ffree - after.ffree) * leastBytes);
