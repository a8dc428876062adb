import { readFileSync } from "node:fs";
import { copyFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { release } from "node:os";
import { join } from "node:path";
import type { SandboxClaimJson, SandboxReportJson } from "../../../../src/gen/automation/v1/run_work_pb.ts";
import { lastWords } from "../../../../src/text/strangers-text.ts";
import { runProgram } from "../../host/run-program.ts";
import type { RunArea } from "../area/run-area.ts";
import type { Place } from "../area/run-folder.ts";
import {
  allocationCalls,
  refusedCalls,
  segmentBytes,
  segmentCalls,
  socketCalls,
  socketFamilies,
  unownedMemoryCalls,
} from "../box/system-call-filter.ts";
import { architectureOf } from "../box/system-calls.ts";
import type { ControlGroups } from "../limits/control-groups.ts";
import { watchEveryMs } from "../limits/watch-limits.ts";
import type { BoxEnd, BoxLimits, Sandbox } from "../sandbox.ts";
import { SandboxUnprovenError } from "../sandbox-errors.ts";
import { neededPrograms, remedyOfMissing, remedyOfStart } from "./remedies.ts";

export interface ProveDeps {
  readonly sandbox: Omit<Sandbox, "prove">;
  readonly area: RunArea;
  readonly groups: ControlGroups | undefined;
}

/** What probe.mjs prints. */
interface Probe {
  readonly writable: readonly string[];
  readonly otherRun: string;
  readonly processes: readonly number[];
  readonly workerEnvironment: string;
  readonly init: Touched & {
    readonly read: string;
    readonly environment: string;
    readonly descriptors: string;
    readonly root: string;
  };
  readonly other: Touched;
  /** Families that `socket` or `socketpair` did not answer with "Address family not supported". */
  readonly families: readonly number[];
  /** Calls that make memory of no process: the number of the error, or `done`. */
  readonly unownedMemory: readonly string[];
  readonly routes: readonly string[];
  readonly devices: readonly string[];
  readonly name: string;
  readonly loopback: string;
  readonly userNamespace: string;
  readonly environment: readonly string[];
  readonly capabilities: readonly (string | undefined)[];
  readonly noNewPrivileges: string | undefined;
  readonly filter: string | undefined;
}

/** What became of the tries to change another process of the box: codes of errors, and for calls their numbers. */
interface Touched {
  readonly write: string;
  readonly calls: readonly string[];
}

const mebibyte = 1_048_576;
const secret = "another run's secret";
const forgersExit = 41;
const smallDiskBytes = 32 * mebibyte;
const roomy: BoxLimits = {
  memoryBytes: 1024 * mebibyte,
  processes: 128,
  outputBytes: mebibyte,
  diskBytes: 256 * mebibyte,
  timeMs: 30_000,
  idleMs: 30_000,
};
const notSafe =
  "this machine can't keep runs apart; take no work here, and report it with `bwrap --version` and `uname -a`";

/**
 * Tries every claim in real boxes, in slots 0 and 1, before any work is taken.
 * @throws SandboxUnprovenError with the first claim that does not hold
 */
export async function proveSandbox(deps: ProveDeps, signal: AbortSignal): Promise<SandboxReportJson> {
  const version = await provePrograms(signal);
  const { sandbox, area, groups } = deps;
  const [own, other] = await Promise.all([area.openRun(0, signal), area.openRun(1, signal)]);
  try {
    const { workspace, home } = await own.newPlace("work", roomy.diskBytes, signal);
    const scripts = await own.newHostFolder("probe");
    await copyFile(join(import.meta.dirname, "probe.mjs"), join(scripts, "probe.mjs"));
    const otherRun = join(await other.newHostFolder("ws"), "secret");
    await writeFile(otherRun, secret);
    const run: Run = async (argv, limits, at = { workspace, home }) => {
      let stdout = "";
      let stderr = "";
      const end = await sandbox.run(
        {
          ...{ slot: 0, argv, cwd: "/workspace", env: {}, home: at.home, hasChannel: false, graceMs: 0 },
          mounts: [
            { hostPath: at.workspace, path: "/workspace", mode: "rw" },
            { hostPath: scripts, path: "/probe", mode: "ro" },
          ],
          limits: { ...roomy, ...limits },
        },
        {
          onStdout: (chunk) => {
            stdout += chunk;
          },
          onStderr: (chunk) => {
            stderr += chunk;
          },
        },
        signal,
      );
      return { end, stdout, stderr };
    };
    const start = await run(["true"], {}).catch((error: Error) => {
      signal.throwIfAborted();
      throw new SandboxUnprovenError("start", error.message, remedyOfStart(error.message, thisMachine()), {
        cause: error,
      });
    });
    if (start.end.exitCode !== 0) throw new SandboxUnprovenError("start", describe(start), notSafe);
    const claims = [
      { id: "start", held: true, detail: "a box starts and ends" },
      ...(await probe(run, otherRun, groups !== undefined)),
      exitCodeClaim(await run(["perl", "-e", forge], {})),
    ];
    const allocation = await run(["node", "-e", allocate], { memoryBytes: 128 * mebibyte });
    claims.push(limitClaim("memory", allocation.end));
    const forks = await run(["node", "-e", fork], { processes: 32 });
    claims.push(limitClaim("processes", forks.end));
    const small = await own.newPlace("small", smallDiskBytes, signal);
    const filled = await run(["perl", "-e", fill()], { diskBytes: smallDiskBytes }, small);
    claims.push(diskClaim(filled, area.faultOfDisks === undefined));
    for (const { id = "", held, detail = "" } of claims) {
      if (held !== true) throw new SandboxUnprovenError(id, detail, remedyOfClaim[id] ?? notSafe);
    }
    return {
      isolation: sandbox.isolation,
      claims,
      limits: mechanismsOf(groups, area.faultOfDisks),
      engine: version,
      kernel: release(),
      provedAt: new Date().toISOString(),
    };
  } finally {
    await Promise.all([own.remove(signal), other.remove(signal)]);
  }
}

/** 800 MiB in small steps, and then it waits: neither its exit nor its error is what ends the box. */
const allocate = `const kept = [];
for (let n = 0; n < 100; n += 1) kept.push(Buffer.alloc(8 * 1048576, 1));
setTimeout(() => {}, 20000);`;
/** 200 processes, whether each could be made or not. */
const fork = `const { spawn } = require("node:child_process");
for (let n = 0; n < 200; n += 1) spawn("sleep", ["20"]).on("error", () => {});
setTimeout(() => {}, 20000);`;
/** Tries to have another exit code told than its own: over its init, and from a process that it started. */
const forge = `$SIG{$_} = "IGNORE" for grep { !/^(KILL|STOP|CHLD|CLD|__|NUM)/ } keys %SIG;
sub overwrite { open my $memory, "+<", "/proc/$_[0]/mem" or return 0; seek $memory, 4096, 0; print $memory "0" x 64; 1 }
if (fork == 0) { kill $_, 1 for 1 .. 64; overwrite(1); kill "STOP", 1; exit(overwrite(getppid) ? 1 : 0) }
wait;
exit($? == 0 ? ${forgersExit} : 0);`;

/** Takes eight times the room of a small place: at once where it may, else by writing; says how the first went, and waits. */
const fill = () => `$| = 1;
for my $n (1 .. 16) {
  open my $file, ">", "filled-$n" or next;
  my $taken = syscall(${allocationCalls.fallocate[architectureOf().column]}, fileno $file, 0, 0, ${16 * mebibyte});
  print $taken == 0 ? "done" : $! + 0, "\\n" if $n == 1;
  syswrite $file, "x" x ${16 * mebibyte} if $taken != 0;
}
sleep 20`;

const remedyOfClaim: Record<string, string> = {
  memory: "let the worker write to its cgroups (memory), or run it on a machine of its own",
  processes: "let the worker write to its cgroups (pids), or run it on a machine of its own",
  user_namespaces: "install bubblewrap 0.8 or later, which can end user namespaces in a box",
};

async function provePrograms(signal: AbortSignal): Promise<string> {
  const answers = await Promise.all(
    neededPrograms.map(async (program) => {
      const answer = await runProgram([program, "--version"], signal).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
        throw new SandboxUnprovenError("programs", `"${program}" is not installed`, remedyOfMissing(program));
      });
      return [program, answer.stdout.trim()] as const;
    }),
  );
  return new Map(answers).get("bwrap") ?? "bubblewrap";
}

type Run = (
  argv: readonly string[],
  limits: Partial<BoxLimits>,
  at?: Pick<Place, "workspace" | "home">,
) => Promise<{ readonly end: BoxEnd; readonly stdout: string; readonly stderr: string }>;

async function probe(run: Run, otherRun: string, hasGroups: boolean): Promise<SandboxClaimJson[]> {
  const listener = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  try {
    const address = listener.address();
    const loopbackPort = typeof address === "object" ? address?.port : undefined;
    const { column } = architectureOf();
    const tried = Object.entries({ ...refusedCalls, ...socketCalls, ...unownedMemoryCalls, ...segmentCalls });
    const calls = Object.fromEntries(tried.map(([name, numbers]) => [name, numbers[column]]));
    const told = JSON.stringify({ otherRun, workerPid: process.pid, loopbackPort, calls, segmentBytes });
    const said = await run(["node", "/probe/probe.mjs", told], {});
    if (said.end.exitCode !== 0)
      throw new SandboxUnprovenError("start", `the probe failed: ${describe(said)}`, notSafe);
    return judge(JSON.parse(said.stdout) as Probe, hasGroups);
  } finally {
    await new Promise((resolve) => listener.close(resolve));
  }
}

function judge(seen: Probe, hasGroups: boolean): SandboxClaimJson[] {
  const claim = (id: string, held: boolean, detail: string) => ({ id, held, detail });
  const same = (one: readonly unknown[] | string, other: readonly string[]) => [...one].join() === other.join();
  const { read, environment, descriptors, root } = seen.init;
  return [
    claim(
      "write_outside",
      same(seen.writable, ["/workspace", "/home/persona", "/tmp", "/dev/shm"]),
      `writable: ${seen.writable.join(", ")}`,
    ),
    claim("other_run", seen.otherRun === "ENOENT", `reading another run's file: ${shown(seen.otherRun)}`),
    claim(
      "proc",
      seen.processes.length <= 3 && seen.workerEnvironment === "ENOENT",
      `${seen.processes.length} processes visible; the worker's environment: ${shown(seen.workerEnvironment)}`,
    ),
    claim(
      "network",
      seen.routes.length === 0 && same(seen.devices, ["lo"]) && seen.name !== "resolved",
      `devices: ${seen.devices.join(", ")}; routes: ${seen.routes.length}; a name: ${seen.name}`,
    ),
    claim("host_loopback", seen.loopback === "ECONNREFUSED", `the worker's listener: ${seen.loopback}`),
    claim("user_namespaces", !["made", "done"].includes(seen.userNamespace), "a further one is refused"),
    claim(
      "environment",
      same(seen.environment, [
        "HOME",
        "LANG",
        "LOGNAME",
        "LSAN_OPTIONS",
        "PATH",
        "PWD",
        "SHELL",
        "TERM",
        "TMPDIR",
        "TZ",
        "USER",
      ]),
      `variables: ${seen.environment.join(", ")}`,
    ),
    claim(
      "privileges",
      seen.capabilities.every((set) => set === "0000000000000000") && seen.noNewPrivileges === "1",
      `capabilities: ${[...new Set(seen.capabilities)].join(", ")}; no_new_privs: ${seen.noNewPrivileges}`,
    ),
    claim("system_calls", seen.filter === "2", `filter mode ${seen.filter}`),
    claim(
      "socket_families",
      seen.families.every((family) => Object.values(socketFamilies).some((allowed) => allowed === family)),
      `families of sockets: ${seen.families.join(", ")}`,
    ),
    claim(
      "unowned_memory",
      hasGroups || seen.unownedMemory.every((call) => !call.endsWith(" done")),
      hasGroups ? "counted by control groups" : `memory of no process: ${seen.unownedMemory.join(", ")}`,
    ),
    claim(
      "init_memory",
      isRefused(seen.init, [read, environment, descriptors, root]),
      `the memory of the box's init: reading it ${shown(read)}, ${touched(seen.init)}; its descriptors: ${shown(descriptors)}`,
    ),
    claim("other_memory", isRefused(seen.other, []), `the memory of another process: ${touched(seen.other)}`),
  ];
}

const permission = 1; // EPERM
const isRefused = ({ write, calls }: Touched, others: readonly string[]) =>
  [write, ...others].every((code) => ["EACCES", "EPERM", "EROFS"].includes(code)) &&
  calls.every((call) => call.endsWith(` ${permission}`));
const touched = ({ write, calls }: Touched) => `writing it ${shown(write)}, by calls: ${calls.join(", ")}`;

const exitCodeClaim = ({ end }: Awaited<ReturnType<Run>>): SandboxClaimJson => ({
  id: "exit_code",
  held: end.exitCode === forgersExit,
  detail: `a program that tried to forge its exit code ${forgersExit} ended with ${end.limit?.name ?? end.signal ?? end.exitCode}`,
});

/** Never more than a code: what was read would be a secret. */
const shown = (outcome: string) => (/^E[A-Z]+$/.test(outcome) ? outcome : "it could be read");

const limitClaim = (name: string, { limit, exitCode, signal }: BoxEnd): SandboxClaimJson => ({
  id: name,
  held: limit?.name === name,
  detail:
    limit?.name === name
      ? `a box beyond its limit of ${limit.limit} was ended at ${limit.peak}`
      : `a box beyond its limit went on to ${limit?.name ?? signal ?? exitCode}`,
});

/** Without a file system of its own, a place fills no faster than it is written to. */
const diskClaim = ({ end, stdout }: Awaited<ReturnType<Run>>, hasDisks: boolean): SandboxClaimJson => {
  const { held, detail } = limitClaim("disk", end);
  const isAsSaid = hasDisks
    ? end.limit?.mechanism === "hard" && Number(end.limit.peak) < 2 * smallDiskBytes
    : stdout !== "done\n";
  return { id: "disk", held: held === true && isAsSaid, detail: `${detail}; fallocate: ${stdout.trim()}` };
};

const describe = ({ end, stderr }: Awaited<ReturnType<Run>>) =>
  `it ended with ${end.limit?.name ?? end.signal ?? end.exitCode}: ${lastWords(stderr, 500)}`;

/** What enforces each limit here. */
function mechanismsOf(
  groups: ControlGroups | undefined,
  faultOfDisks: string | undefined,
): SandboxReportJson["limits"] {
  const watchdog = `watchdog ${watchEveryMs} ms`;
  const hard = (limit: string, mechanism: string) => ({ limit, strength: "hard", mechanism });
  const watched = (limit: string, mechanism: string) => ({ limit, strength: "watchdog", mechanism });
  return [
    groups === undefined
      ? watched("memory", `${watchdog}: PSS, files in memory, page tables, descriptors and sockets`)
      : hard("memory", groups.memory),
    groups === undefined
      ? watched("processes", `${watchdog}, rlimit nproc just above`)
      : hard("processes", groups.processes),
    hard("time", "timer"),
    watched("idle", `${watchdog}: output, channel, CPU`),
    hard("output", "counted as it is read"),
    faultOfDisks === undefined
      ? hard("disk", "file system of its own: ext4 on a loop device")
      : watched(
          "disk",
          `watchdog 50 ms: room of the disk, du, files in memory, nameless files; fallocate refused; ${faultOfDisks}`,
        ),
    hard("file_size", "rlimit fsize"),
    hard("open_files", "rlimit nofile 1024"),
    hard("temporary_files", "tmpfs size"),
  ];
}

function thisMachine() {
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
  };
}
