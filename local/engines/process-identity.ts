import { readdirSync, readFileSync } from "node:fs";

/** A process by pid and start time, so that a reused pid is not mistaken for it. */
export interface ProcessIdentity {
  pid: number;
  /** Boot id and start in clock ticks since boot, as `/proc` tells them. */
  started: string;
}

interface Stat {
  parent: number;
  state: string;
  startTicks: string;
}

function readStat(pid: number): Stat | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold spaces; what follows it is split by them (proc_pid_stat(5): 3 state, 4 ppid, 22 starttime).
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", parent: Number(fields[1]), startTicks: fields[19] ?? "" };
  } catch {
    return undefined;
  }
}

const bootId = () => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

/** @returns undefined when there is no such process, or only a zombie */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  if (stat === undefined || stat.state === "Z" || stat.state === "X") return undefined;
  return { pid, started: `${bootId()}/${stat.startTicks}` };
}

export function lives(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.started === identity.started;
}

/** The process and all below it, parents first. */
export function familyOf(pid: number): number[] {
  const childrenOf = new Map<number, number[]>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = readStat(Number(entry));
    if (stat !== undefined) childrenOf.set(stat.parent, [...(childrenOf.get(stat.parent) ?? []), Number(entry)]);
  }
  const family = [pid];
  for (const member of family) family.push(...(childrenOf.get(member) ?? []));
  return family;
}

/** Memory of one process in bytes; shared pages are counted in parts. 0 when it cannot be read: it ended, or belongs to another user. */
export function memoryBytesOf(pid: number): number {
  try {
    const kibibytes = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1];
    return Number(kibibytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}
