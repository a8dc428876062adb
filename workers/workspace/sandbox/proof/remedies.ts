import { existsSync, readFileSync } from "node:fs";

/** Settings of the machine on which a remedy depends. */
export interface Machine {
  /** Of `kernel.unprivileged_userns_clone`; undefined where the kernel has no such setting. */
  readonly usernsClone: string | undefined;
  /** Of `user.max_user_namespaces`. */
  readonly maxUserNamespaces: string | undefined;
  /** Of `kernel.apparmor_restrict_unprivileged_userns`. */
  readonly apparmorRestricts: string | undefined;
  readonly isInPod: boolean;
  /** Of podman or Docker. */
  readonly isInContainer: boolean;
}

const packages: Record<string, string> = {
  bwrap: "bubblewrap",
  perl: "perl-base",
  setpriv: "util-linux",
  prlimit: "util-linux",
  flock: "util-linux",
  du: "coreutils",
  timeout: "coreutils",
  nice: "coreutils",
};

/** The programs of the host that boxes need. */
export const neededPrograms = Object.keys(packages);

/** How to get a program. */
export const remedyOfMissing = (program: string): string =>
  `install it: \`apt-get install ${packages[program]}\`, or the package of that name elsewhere`;

/** What to do when bwrap can't make a box at all, by its output and the settings of the machine. */
export function remedyOfStart(stderr: string, machine: Machine): string {
  if (/Can't find source path/.test(stderr)) {
    return "put the run area where any user may pass (`/var/tmp`), below no folder of mode 0700";
  }
  if (machine.usernsClone === "0") {
    return "allow user namespaces: `sysctl -w kernel.unprivileged_userns_clone=1`, and keep it in /etc/sysctl.d";
  }
  if (machine.maxUserNamespaces === "0") {
    return "allow user namespaces: `sysctl -w user.max_user_namespaces=15000`, and keep it in /etc/sysctl.d";
  }
  if (machine.isInPod) {
    return (
      "in a pod, boxes need `hostUsers: false`, `procMount: Unmasked`, a Localhost seccomp profile that allows namespaces and AppArmor Unconfined; " +
      "else run the workspace worker on a machine or in a virtual machine of its own"
    );
  }
  if (machine.isInContainer) {
    return (
      "in a container, boxes need a `/proc` without masks and the calls that make namespaces: " +
      "`--security-opt unmask=ALL` (Docker: `systempaths=unconfined`) and `--security-opt seccomp=unconfined`"
    );
  }
  if (machine.apparmorRestricts === "1") {
    return (
      "give bwrap an AppArmor profile with `userns,` (file /etc/apparmor.d/bwrap, then `systemctl reload apparmor`), " +
      "or `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`"
    );
  }
  if (/Unknown option/.test(stderr)) return "install bubblewrap 0.8 or later";
  return "see docs/workspaces.md for what the kernel must allow";
}

export const notSafe =
  "this machine can't keep runs apart; take no work here, and report it with `bwrap --version` and `uname -a`";

const claims: Readonly<Record<string, string>> = {
  memory: "let the worker write to its cgroups (memory), or run it on a machine of its own",
  processes: "let the worker write to its cgroups (pids), or run it on a machine of its own",
  user_namespaces: "install bubblewrap 0.8 or later, which can end user namespaces in a box",
};

/** What to do where a claim does not hold. */
export const remedyOfClaim = (id: string): string => claims[id] ?? notSafe;

/** Reads the settings of this machine. */
export function thisMachine(): Machine {
  const setting = (path: string) => {
    try {
      return readFileSync(`/proc/sys/${path}`, "utf8").trim();
    } catch {
      return undefined; // this kernel has no such setting
    }
  };
  const isInPod = (() => {
    try {
      readFileSync("/var/run/secrets/kubernetes.io/serviceaccount/namespace");
      return true;
    } catch {
      return false;
    }
  })();
  return {
    usernsClone: setting("kernel/unprivileged_userns_clone"),
    maxUserNamespaces: setting("user/max_user_namespaces"),
    apparmorRestricts: setting("kernel/apparmor_restrict_unprivileged_userns"),
    isInPod,
    isInContainer: ["/run/.containerenv", "/.dockerenv"].some((file) => existsSync(file)),
  };
}
