import type { ProgramEnd } from "../../host/run-program.ts";
import { handedDescriptor, runProgram } from "../../host/run-program.ts";
import { systemFolders } from "../box/box-command.ts";

/** Folders that a keeper works on. */
export interface Kept {
  /** Host user to become; absent without root. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  /** Of system calls. */
  readonly filterFile: string;
  /** Host folders, seen at `keptAt(0)` and up. */
  readonly folders: readonly string[];
  readonly mode: "ro" | "rw";
}

/** Where a keeper sees its folders. */
export const keptAt = (at: number): string => `/kept/${at}`;

/**
 * Runs a program of the host on the files of a slot, as their owner and with permission to override their modes, in a box without network
 * that sees nothing else of the host. So links and unreadable folders that a run left there do no harm.
 * `timeout` inside the box ends it: a bwrap that is killed from outside while it starts leaves a child that waits for ever.
 */
export async function runKeeper(
  { owner, filterFile, folders, mode }: Kept,
  argv: readonly string[],
  limitMs: number,
): Promise<ProgramEnd> {
  const become = ["setpriv", `--reuid=${owner?.uid}`, `--regid=${owner?.gid}`, "--clear-groups", "--no-new-privs"];
  const box = [
    ["nice", "-n", "10", ...(owner === undefined ? [] : become)],
    ["bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session"],
    ["--uid", "0", "--gid", "0", "--seccomp", String(handedDescriptor), "--cap-drop", "ALL"],
    ...["CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER"].flatMap((capability) => ["--cap-add", capability]),
    ["--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--size", "1048576", "--tmpfs", "/", ...systemFolders],
    ...folders.flatMap((folder, at) => [mode === "rw" ? "--bind" : "--ro-bind", folder, keptAt(at)]),
    ["--chdir", "/", "--", "timeout", "--signal=KILL", String(limitMs / 1_000), ...argv],
  ].flat();
  return await runProgram(box, undefined, filterFile);
}
