import { spawnSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import { hostEnvironment } from "../../host/run-program.ts";
import { isRoot } from "../slots.ts";

/** Whether this process has a mount namespace of its own, whose mounts end with the process. */
export function hasOwnMounts(): boolean {
  try {
    return namespaceOf("self") !== namespaceOf(process.ppid);
  } catch {
    return false; // not permitted to read it
  }
}

/**
 * Executes this program again, with the same process number, in a new mount namespace. Does nothing if the process has one already, isn't root, or isn't allowed to.
 * To be called before anything is opened.
 */
export function takeOwnMounts(environment: NodeJS.ProcessEnv): void {
  if (!isRoot() || hasOwnMounts()) return;
  const unshare = ["unshare", "--mount", "--propagation", "private", "--"];
  if (spawnSync("env", [...unshare, "true"], { env: hostEnvironment, stdio: "ignore" }).status !== 0) return;
  const self = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  process.execve?.("/usr/bin/env", ["env", ...unshare, ...self], environment);
}

/** Absent for process 0, the parent of a container's first process. */
function namespaceOf(pid: number | "self"): string | undefined {
  return pid === 0 ? undefined : readlinkSync(`/proc/${pid}/ns/mnt`);
}
