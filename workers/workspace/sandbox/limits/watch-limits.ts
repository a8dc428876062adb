import type { LimitHitJson } from "../../../../src/gen/automation/v1/run_work_pb.ts";
import { countOf, cpuOf, processesBelow } from "../box/box-processes.ts";
import type { BoxLimits } from "../sandbox.ts";
import { memoryOfBox } from "./box-memory.ts";
import type { ControlGroup } from "./control-groups.ts";
import type { DiskUseOf } from "./disk-use.ts";
import { createStallMeter } from "./stalled-box.ts";
import { watchDisk } from "./watch-disk.ts";

export const watchEveryMs = 250;

export interface WatchedBox {
  readonly limits: BoxLimits;
  readonly group: ControlGroup | undefined;
  readonly disk: DiskUseOf;
  /** The host's number of the box's first process; undefined until it is known. */
  readonly first: () => number | undefined;
  /** When it last wrote something; `now` while its output is not taken yet. */
  readonly lastSaidAt: (now: number) => number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Called once, with the first limit that was hit. */
  readonly onHit: (hit: LimitHitJson) => void;
}

export interface LimitWatch {
  /** Stops watching. Reads the control groups and the disk once more, since a box may have ended at a limit. @returns the limit that was hit, if any */
  end(): Promise<LimitHitJson | undefined>;
}

/** Watches the limits of a box from its start: time, idle time, disk, memory and processes; the last two by control groups where there are any, else by its processes in /proc. */
export function watchLimits(box: WatchedBox): LimitWatch {
  const { limits, group, now } = box;
  const startedAt = now();
  let hit: LimitHitJson | undefined;
  let cpuMs = 0;
  let isReading = false;
  const stalledMs = createStallMeter(startedAt);

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
    const bytes = await memoryOfBox(first, pids);
    if (bytes > limits.memoryBytes) report("memory", "watchdog", limits.memoryBytes, bytes);
    const count = countOf(pids);
    if (count > limits.processes) report("processes", "watchdog", limits.processes, count);
    return cpuOf(pids);
  };

  const read = async () => {
    const at = now();
    const first = box.first();
    if (group !== undefined) cpuMs = readGroup(group);
    else if (first !== undefined) cpuMs = await readProcesses(first);
    const idleMs = stalledMs({ at, cpuMs, saidAt: box.lastSaidAt(at) });
    if (idleMs >= limits.idleMs) report("idle", "watchdog", limits.idleMs, idleMs);
  };

  const ticker = setInterval(() => {
    if (isReading) return;
    isReading = true;
    void read().finally(() => {
      isReading = false;
    });
  }, watchEveryMs);
  const timer = setTimeout(() => {
    report("time", "hard", limits.timeMs, Math.max(now() - startedAt, limits.timeMs)); // timers may fire a little early
  }, limits.timeMs);
  const disk = watchDisk(box, (mechanism, peak) => report("disk", mechanism, limits.diskBytes, peak));

  return {
    end: async () => {
      clearInterval(ticker);
      clearTimeout(timer);
      await disk.end();
      if (group !== undefined) readGroup(group);
      return hit;
    },
  };
}
