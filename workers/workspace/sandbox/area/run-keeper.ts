import type { ProgramEnd } from "../../host/run-program.ts";
import { handedDescriptor, runProgram } from "../../host/run-program.ts";
import { systemFolders } from "../box/box-command.ts";

/** What a keeper looks after. */
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
 * Runs a program of the host that looks after a slot's files as their owner, with every right over them and over nothing else:
 * a box without network and host, so what a run left there (links, unreadable folders) can mislead nobody.
 * It is ended from within, never from outside: a bwrap that is killed while it starts leaves its child waiting for ever.
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
