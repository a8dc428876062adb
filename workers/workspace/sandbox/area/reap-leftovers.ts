import { readdir, readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { runProgram } from "../../host/run-program.ts";
import { processesBelow } from "../box/box-processes.ts";
import { findControlGroups } from "../limits/control-groups.ts";
import { RunAreaError } from "../sandbox-errors.ts";
import { isRoot } from "../slots.ts";

const tries = 100;
const pauseMs = 50;

/**
 * Ends what boxes of an area left: their control groups and every process in them, every bwrap that was started for the area
 * (its command line names the area's files; all processes of its namespace end with it), and mounts below the area.
 * @throws RunAreaError when some process can't be ended
 */
export async function reapLeftovers(root: string, signal: AbortSignal): Promise<void> {
  await findControlGroups(root)?.removeAll();
  for (let n = 0; ; n += 1) {
    signal.throwIfAborted();
    const pids = await boxesOf(root);
    if (pids.length === 0) break;
    if (n === tries) {
      throw new RunAreaError("run_area_not_removed", root, `processes ${pids.join(", ")} of "${root}" can't be ended`);
    }
    for (const pid of pids) killQuietly(pid);
    await wait(pauseMs, undefined, { signal });
  }
  if (!isRoot()) return; // without root, mounts exist in namespaces of boxes only
  for (const path of (await mountsBelow(root)).reverse()) await runProgram(["umount", "-l", path], signal);
}

/** Numbers of all processes that are a bwrap of this area or were started by one. */
export async function boxesOf(root: string): Promise<number[]> {
  const found = await Promise.all(
    (await readdir("/proc"))
      .filter((name) => /^\d+$/.test(name))
      .map(async (pid) => {
        const args = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");
        return args.includes("--unshare-user") && args.some((arg) => arg.startsWith(`${root}/`))
          ? processesBelow(Number(pid))
          : [];
      }),
  );
  return [...new Set(found.flat())].filter((pid) => pid !== process.pid);
}

/** Mount points below a folder, outer ones first. */
export async function mountsBelow(root: string): Promise<string[]> {
  const info = await readFile("/proc/self/mountinfo", "utf8");
  return info
    .split("\n")
    .map((line) =>
      (line.split(" ")[4] ?? "").replace(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8))),
    )
    .filter((path) => path.startsWith(`${root}/`));
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH" && (error as NodeJS.ErrnoException).code !== "EPERM")
      throw error;
  }
}
