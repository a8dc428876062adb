import { statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import type { LimitHitJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import { countOf, cpuOf, memoryOf, processesBelow } from "./box-processes.ts";
import type { ControlGroup } from "./control-groups.ts";
import type { DiskUseOf } from "./disk-use.ts";
import { diskUse, memoryFilesUse, namelessUse } from "./disk-use.ts";
import type { BoxLimits } from "./sandbox.ts";

export const watchEveryMs = 250;

/** Below this share of one CPU a box does nothing. */
const busyShare = 0.02;
const diskEveryMs = 500;
/** Counting may take this share of the time, so that a large tree isn't counted without end. */
const diskShare = 0.1;

export interface WatchedBox {
  readonly limits: BoxLimits;
  readonly group: ControlGroup | undefined;
  readonly disk: DiskUseOf;
  /** The host's number of the box's first process; undefined until it is known. */
  readonly first: () => number | undefined;
  /** When it last said something; `now` while something it said is not yet taken. */
  readonly lastSaidAt: (now: number) => number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Called once, with the first limit that was hit. */
  readonly onHit: (hit: LimitHitJson) => void;
}

export interface LimitWatch {
  /** Ends the watch, with all it started. What only the groups know is asked once more: a box may have ended by what it hit. */
  end(): Promise<LimitHitJson | undefined>;
}

/** Watches a box from its start: time, idleness, disk, and memory and processes by its groups or, without groups, by its processes. */
export function watchLimits(box: WatchedBox): LimitWatch {
  const { limits, group, now } = box;
  const startedAt = now();
  let isEnded = false;
  let hit: LimitHitJson | undefined;
  let activeAt = startedAt;
  let readAt = startedAt;
  let cpuMs = 0;
  let isReading = false;

  const report = (name: string, mechanism: "hard" | "watchdog", limit: number, peak: number) => {
    if (hit !== undefined) return;
    hit = { name, mechanism, limit: String(limit), peak: String(Math.round(peak)) };
    box.onHit(hit);
  };

  const readGroup = (of: ControlGroup) => {
    const used = of.read();
    if (used.killed > 0) report("memory", "hard", limits.memoryBytes, used.memoryPeak);
    if (used.refused > 0) report("processes", "hard", limits.processes, Math.max(used.processes, limits.processes));
    return used.cpuMs;
  };

  const readProcesses = async (first: number) => {
    const pids = processesBelow(first).slice(1); // init is ours
    const bytes = memoryOf(pids) + (await memoryFilesUse(first));
    if (bytes > limits.memoryBytes) report("memory", "watchdog", limits.memoryBytes, bytes);
    const count = countOf(pids);
    if (count > limits.processes) report("processes", "watchdog", limits.processes, count);
    return cpuOf(pids);
  };

  const read = async () => {
    const at = now();
    const first = box.first();
    const used = group !== undefined ? readGroup(group) : first === undefined ? cpuMs : await readProcesses(first);
    if (used - cpuMs >= (at - readAt) * busyShare) activeAt = at;
    activeAt = Math.max(activeAt, box.lastSaidAt(at));
    cpuMs = used;
    readAt = at;
    if (at - activeAt >= limits.idleMs) report("idle", "watchdog", limits.idleMs, at - activeAt);
  };

  const ticker = setInterval(() => {
    if (isReading) return;
    isReading = true;
    void read().finally(() => {
      isReading = false;
    });
  }, watchEveryMs);
  const timer = setTimeout(() => {
    report("time", "hard", limits.timeMs, Math.max(now() - startedAt, limits.timeMs)); // timers round, and may be a little early
  }, limits.timeMs);
  let diskTimer: NodeJS.Timeout | undefined;
  let counting: Promise<void> | undefined;
  const watchDisk = async (before: Room) => {
    const began = now();
    const used = await diskInUse(box, before);
    if (used > limits.diskBytes) report("disk", "watchdog", limits.diskBytes, used);
    nextDisk(before, Math.max(diskEveryMs, (now() - began) / diskShare));
  };
  const nextDisk = (before: Room, inMs: number) => {
    if (isEnded || hit !== undefined) return;
    diskTimer = setTimeout(() => {
      counting = watchDisk(before).catch(() => nextDisk(before, diskEveryMs));
    }, inMs);
  };
  void roomOf(box.disk).then((before) => nextDisk(before, diskEveryMs));

  return {
    end: async () => {
      isEnded = true;
      clearInterval(ticker);
      clearTimeout(timer);
      clearTimeout(diskTimer);
      await counting;
      if (group !== undefined) readGroup(group);
      return hit;
    },
  };
}

/** A file system that a box writes to, before it did. */
interface Room {
  readonly folder: string;
  readonly device: number;
  readonly freeBytes: number;
}

async function roomOf({ folders: [folder = "/"] }: DiskUseOf): Promise<Room> {
  return { folder, device: statSync(folder).dev, freeBytes: await freeBytes(folder) };
}

/** All that a box wrote. Nameless files are looked for only when more room is gone than the folders explain. */
async function diskInUse(box: WatchedBox, before: Room): Promise<number> {
  const first = box.first();
  const inMemory = first === undefined ? 0 : await memoryFilesUse(first);
  const named = (await diskUse(box.disk)) + inMemory;
  const gone = before.freeBytes - (await freeBytes(before.folder));
  if (first === undefined || gone <= box.limits.diskBytes || named > box.limits.diskBytes) return named;
  return named + namelessUse(processesBelow(first), before.device);
}

const freeBytes = async (folder: string) => {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
};
