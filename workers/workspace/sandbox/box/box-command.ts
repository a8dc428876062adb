import { boxUser } from "../area/etc-of-boxes.ts";
import type { BoxSpec } from "../sandbox.ts";
import { boxInit, launcher } from "./box-launcher.ts";
import type { Architecture } from "./system-calls.ts";

/** Standard descriptors, then the channel, bwrap's status and the system call filter. */
export const boxDescriptors = { channel: 3, status: 4, filter: 5 } as const;

/** Sizes of what is writable and in memory; bytes. */
const boxMemoryFiles = { root: 1_048_576, shm: 16_777_216, tmp: 268_435_456 } as const;

/** Our Node first, then the places where distributions, administrators and Go's installer put programs. */
const searchPath = "/opt/node/bin:/usr/local/bin:/usr/bin:/bin:/usr/local/go/bin";

/** Leak detection needs tracing, which is refused. Without this, every program built with `-fsanitize=address` fails. */
const sanitizers = { LSAN_OPTIONS: "detect_leaks=0" } as const;

/** What the launcher does before bwrap starts. */
export interface BoxCommandHow {
  readonly areaRoot: string;
  /** Host user to become; absent without root. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** The cgroup.procs files to enter. */
  readonly groups: readonly string[];
  /** RLIMIT_NPROC, counted within the box's own user namespace. */
  readonly nproc?: number;
  readonly architecture: Architecture;
}

/** The command line of one box. Nothing in it comes from the environment; every path is absolute. */
export function boxCommand(spec: BoxSpec, how: BoxCommandHow): string[] {
  const { areaRoot, owner, groups, nproc, architecture } = how;
  const mounts = spec.mounts.flatMap(({ hostPath, path, mode }) => [
    mode === "rw" ? "--bind" : "--ro-bind",
    hostPath,
    path,
  ]);
  const sockets = (spec.sockets ?? []).flatMap(({ hostPath, path }) => ["--ro-bind", hostPath, path]);
  const { name, home } = boxUser;
  const given = {
    PATH: searchPath,
    LANG: "C.UTF-8",
    TZ: "UTC",
    TERM: "dumb",
    SHELL: "/bin/sh",
    ...sanitizers,
    ...spec.env,
  };
  const env = { ...given, USER: name, LOGNAME: name, HOME: home, TMPDIR: "/tmp", PWD: spec.cwd };
  return [
    ...launcher({ keep: boxDescriptors.filter, owner, fileBytes: spec.limits.diskBytes, groups }, architecture),
    ["bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"],
    "--as-pid-1", // so that its init is ours
    ["--uid", String(boxUser.uid), "--gid", String(boxUser.gid), "--hostname", "box", "--cap-drop", "ALL"],
    ["--json-status-fd", String(boxDescriptors.status)],
    ["--seccomp", String(boxDescriptors.filter)],
    ["--clearenv", "--size", String(boxMemoryFiles.root), "--tmpfs", "/"],
    ...systemFolders,
    ["--ro-bind", `${areaRoot}/etc`, "/etc", "--ro-bind", `${areaRoot}/toolchains/node`, "/opt/node"],
    ["--proc", "/proc", "--dev", "/dev"],
    ["--size", String(boxMemoryFiles.shm), "--tmpfs", "/dev/shm"],
    ["--size", String(boxMemoryFiles.tmp), "--tmpfs", "/tmp"],
    ["--bind", spec.home, home, ...mounts, ...sockets, "--chdir", spec.cwd],
    // with a read-only /proc no process can write to another's memory through it
    ["--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/"],
    ["--", ...boxInit({ nproc, env }, architecture), ...spec.argv],
  ].flat();
}

/** Programs and libraries of the host, read-only. */
export const systemFolders: readonly string[] = [
  ["--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/sbin", "/sbin"],
  ["--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"],
].flat();
