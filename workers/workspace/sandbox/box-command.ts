import { boxInit, launcher } from "./box-launcher.ts";
import type { BoxSpec } from "./sandbox.ts";
import type { Architecture } from "./system-calls.ts";

/** Standard descriptors, then the channel, bwrap's status and the system call filter. */
export const boxDescriptors = { channel: 3, status: 4, filter: 5 } as const;

/** Sizes of what is writable and in memory; bytes. */
export const boxMemoryFiles = { root: 1_048_576, shm: 16_777_216, tmp: 268_435_456 } as const;

/** The one user that a box knows; the host's is another one. */
export const boxUser = { name: "persona", uid: 1000, gid: 1000, home: "/home/persona" } as const;

/** What the launcher enters and drops before bwrap starts. */
export interface BoxCommandHow {
  readonly areaRoot: string;
  /** Host user to become; absent without root. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** The cgroup.procs files to enter. */
  readonly groups: readonly string[];
  /** A limit of processes that the kernel counts within the box's own user namespace. */
  readonly nproc?: number;
  readonly architecture: Architecture;
}

/** The command line of one box. Nothing in it comes from the environment; every path is absolute. */
export function boxCommand(spec: BoxSpec, how: BoxCommandHow): string[] {
  const { areaRoot, owner, groups, nproc, architecture } = how;
  const files = ["passwd", "group", "hosts", "nsswitch.conf"].flatMap((name) => [
    "--ro-bind",
    `${areaRoot}/etc/${name}`,
    `/etc/${name}`,
  ]);
  const mounts = spec.mounts.flatMap(({ hostPath, path, mode }) => [
    mode === "rw" ? "--bind" : "--ro-bind",
    hostPath,
    path,
  ]);
  const given = { PATH: "/opt/node/bin:/usr/bin:/bin", LANG: "C.UTF-8", TZ: "UTC", ...spec.env };
  const env = { ...given, HOME: boxUser.home, TMPDIR: "/tmp", PWD: spec.cwd };
  return [
    ...launcher({ keep: boxDescriptors.filter, owner, fileBytes: spec.limits.diskBytes, groups }, architecture),
    ...["bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"],
    "--as-pid-1", // so that its init is ours
    ...["--uid", String(boxUser.uid), "--gid", String(boxUser.gid), "--hostname", "box", "--cap-drop", "ALL"],
    ...["--json-status-fd", String(boxDescriptors.status)],
    ...["--seccomp", String(boxDescriptors.filter)],
    ...["--clearenv", "--size", String(boxMemoryFiles.root), "--tmpfs", "/"],
    ...systemFolders,
    ...["--dir", "/etc", ...files],
    ...systemFiles.flatMap(([from, to]) => ["--ro-bind-try", from, to]),
    ...["--ro-bind", `${areaRoot}/toolchains/node`, "/opt/node", "--proc", "/proc", "--dev", "/dev"],
    ...["--size", String(boxMemoryFiles.shm), "--tmpfs", "/dev/shm"],
    ...["--size", String(boxMemoryFiles.tmp), "--tmpfs", "/tmp"],
    ...["--bind", spec.home, boxUser.home, ...mounts, "--chdir", spec.cwd],
    // through a /proc that can't be written to, no process changes another's memory
    ...["--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/"],
    ...["--", ...boxInit({ nproc, env }, architecture), ...spec.argv],
  ];
}

/** Programs and libraries of the host, read-only. */
export const systemFolders: readonly string[] = [
  ...["--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/sbin", "/sbin"],
  ...["--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"],
];

const systemFiles = [
  ["/etc/ld.so.cache", "/etc/ld.so.cache"],
  ["/etc/alternatives", "/etc/alternatives"],
  ["/etc/ssl/certs", "/etc/ssl/certs"], // not its neighbour `private`, which a worker's user may be allowed to read
  ["/etc/ssl/openssl.cnf", "/etc/ssl/openssl.cnf"],
  ["/usr/share/zoneinfo/UTC", "/etc/localtime"],
] as const;
