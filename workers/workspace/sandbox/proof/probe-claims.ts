import { readlinkSync } from "node:fs";
import { createServer } from "node:net";
import type { SandboxClaimJson } from "../../../../src/gen/automation/v1/run_work_pb.ts";
import {
  refusedCalls,
  segmentBytes,
  segmentCalls,
  socketCalls,
  socketFamilies,
  unownedMemoryCalls,
} from "../box/system-call-filter.ts";
import { architectureOf } from "../box/system-calls.ts";
import { SandboxUnprovenError } from "../sandbox-errors.ts";
import { notSafe } from "./remedies.ts";
import type { RunTrial } from "./trial.ts";
import { describeTrial } from "./trial.ts";

/** What probe.mjs prints. */
interface Probe {
  readonly writable: readonly string[];
  readonly otherRun: string;
  readonly processes: readonly number[];
  readonly processNamespace: string;
  readonly workerEnvironment: string;
  readonly init: Touched & {
    readonly read: string;
    readonly environment: string;
    readonly descriptors: string;
    readonly root: string;
  };
  readonly other: Touched;
  /** Socket families that were not refused with "Address family not supported". */
  readonly families: readonly number[];
  /** Outcome of calls that make memory which belongs to no process: error number, or `done`. */
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

/** Outcome of the attempts to change another process of the box: error codes, and error numbers of calls. */
interface Touched {
  readonly write: string;
  readonly calls: readonly string[];
}

/**
 * Runs probe.mjs in a box, which tries what must not be possible, and turns its output into claims.
 * @param otherRun - file of another run
 * @param hasGroups - whether control groups count memory that belongs to no process
 */
export async function probeClaims(run: RunTrial, otherRun: string, hasGroups: boolean): Promise<SandboxClaimJson[]> {
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
      throw new SandboxUnprovenError("start", `the probe failed: ${describeTrial(said)}`, notSafe);
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
      seen.processes.length <= 3 &&
        seen.processNamespace !== readlinkSync("/proc/self/ns/pid") &&
        // a worker that is a container's first process shares its number with the box's own
        (seen.workerEnvironment === "ENOENT" || seen.processes.includes(process.pid)),
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

/** Shows error codes only: anything else that was read may be a secret. */
const shown = (outcome: string) => (/^E[A-Z]+$/.test(outcome) ? outcome : "it could be read");
