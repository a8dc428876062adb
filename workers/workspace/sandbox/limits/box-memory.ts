import { readdirSync, readFileSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { memoryFilesUse } from "./disk-use.ts";

/**
 * Bytes of memory that a box uses, where no control group counts them: what its processes map, files in memory, and what the kernel holds for them.
 * With control groups the kernel counts and ends the box itself: `control-groups.ts`.
 * @param first - the box's first process, which tells its view of files and its network namespace
 */
export async function memoryOfBox(first: number, pids: readonly number[]): Promise<number> {
  return mappedBy(pids) + (await memoryFilesUse(first)) + (await heldByKernel(first, pids));
}

const pageFields = /^(?:Pss|SwapPss):\s+(\d+) kB$/gm;

/** Proportional share of the memory that processes have mapped; bytes. */
const mappedBy = (pids: readonly number[]): number =>
  pids
    .map((pid) => [...textIn(`/proc/${pid}/smaps_rollup`).matchAll(pageFields)])
    .reduce((sum, fields) => sum + fields.reduce((part, [, kilobytes]) => part + Number(kilobytes) * 1024, 0), 0);

/** What an open descriptor may hold: half of a pipe of two pages. The kernel gives pipes no more once a user has 64 MiB of them (`fs.pipe-user-pages-soft`). */
const descriptorBytes = 8_192;
const queues = /^ *\d+: \S+ \S+ \S+ ([0-9A-F]+):([0-9A-F]+)/gm;

/**
 * Bytes that the kernel may hold for a box's processes without mapping them: page tables, descriptors with their pipes, sockets.
 * Each socket counts as a full send buffer, also while it is being passed between processes; what TCP and UDP have queued is added.
 */
async function heldByKernel(first: number, pids: readonly number[]): Promise<number> {
  const own = pids.reduce((sum, pid) => sum + pageTablesOf(pid) + descriptorsOf(pid) * descriptorBytes, 0);
  const textOf = (name: string) => readFile(`/proc/${first}/net/${name}`, "latin1").catch(() => ""); // it has ended
  const sockets = Number(/^sockets: used (\d+)/.exec(await textOf("sockstat"))?.[1] ?? 0);
  const tables = await Promise.all(["tcp", "tcp6", "udp", "udp6"].map(textOf));
  const queued = tables
    .flatMap((table) => [...table.matchAll(queues)])
    .reduce((sum, [, sent, received]) => sum + Number(`0x${sent}`) + Number(`0x${received}`), 0);
  return own + sockets * sendBufferBytes() + queued;
}

/** The system call filter keeps boxes from enlarging it. */
let sendBuffer: number | undefined;
const sendBufferBytes = () => {
  sendBuffer ??= Number(readFileSync("/proc/sys/net/core/wmem_default", "utf8"));
  return sendBuffer;
};

function pageTablesOf(pid: number): number {
  return Number(/^VmPTE:\s+(\d+) kB$/m.exec(textIn(`/proc/${pid}/status`))?.[1] ?? 0) * 1_024;
}

function descriptorsOf(pid: number): number {
  try {
    const folder = `/proc/${pid}/fd`;
    return statSync(folder).size || readdirSync(folder).length; // its size is their number since Linux 6.2
  } catch {
    return 0; // it has ended
  }
}

function textIn(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return ""; // it has ended
  }
}
