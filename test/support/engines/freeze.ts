import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Stops a process (SIGSTOP), and waits until each of its threads stands still: one that runs may answer once more after the signal was sent. */
export async function freeze(pid: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  const limit = AbortSignal.timeout(10_000);
  while (!standsStill(pid)) await sleep(5, undefined, { signal: limit });
}

/** By the state of each thread, the field after the name in proc_pid_stat(5). */
const standsStill = (pid: number): boolean =>
  readdirSync(`/proc/${pid}/task`).every((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8").split(") ").at(-1)?.startsWith("T"),
  );
