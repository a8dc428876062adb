import { spawn } from "node:child_process";
import { lstatSync, realpathSync } from "node:fs";
import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { isMainThread } from "node:worker_threads";
import type { LimitHitJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import { lastWords } from "../../../src/text/strangers-text.ts";
import { hostEnvironment } from "../host/run-program.ts";
import { isOnOwnDisk } from "./area/place-disk.ts";
import type { RunArea } from "./area/run-area.ts";
import { boxCommand, boxDescriptors } from "./box/box-command.ts";
import type { OpenPipes } from "./box/box-pipes.ts";
import { createBoxPipes } from "./box/box-pipes.ts";
import { mainProcessBelow, startOf } from "./box/box-processes.ts";
import { systemCallFilter } from "./box/system-call-filter.ts";
import { architectureOf } from "./box/system-calls.ts";
import type { ControlGroup, ControlGroups } from "./limits/control-groups.ts";
import { findControlGroups } from "./limits/control-groups.ts";
import { watchLimits } from "./limits/watch-limits.ts";
import { proveSandbox } from "./proof/prove.ts";
import type { BoxEnd, BoxOutput, BoxSpec, Sandbox } from "./sandbox.ts";
import { SandboxError } from "./sandbox-errors.ts";
import { isRoot, ownerOfSlot } from "./slots.ts";

export interface BubblewrapDeps {
  readonly area: RunArea;
}

const keptStderrCharacters = 2_000;
/** The kernel ends a box's processes at once; what waits for a disk may take this long. */
const endLimitMs = 10_000;
const endPauseMs = 1;
/** After a kill, until a box that did not even start by then is ended from outside. */
const startLimitMs = 5_000;
/** Above the watchdog's limit, so that it is the watchdog that says so. */
const spareProcesses = 16;

/** Boxes by bubblewrap: class `uid` where the worker is root, else `userns`. See docs/workspaces.md. */
export function createBubblewrap({ area }: BubblewrapDeps): Sandbox {
  const groups = findControlGroups(area.root);
  const pipes = createBoxPipes(area.pipesDir);
  const sandbox: Omit<Sandbox, "prove"> = {
    isolation: isRoot() ? "ISOLATION_CLASS_UID" : "ISOLATION_CLASS_USERNS",
    ownerOf: ownerOfSlot,
    run: (spec, output, signal) => runBox({ area, groups, pipes }, spec, output, signal),
  };
  return { ...sandbox, prove: (signal) => proveSandbox({ sandbox, area, groups }, signal) };
}

interface Host {
  readonly area: RunArea;
  readonly groups: ControlGroups | undefined;
  readonly pipes: ReturnType<typeof createBoxPipes>;
}

async function runBox(host: Host, spec: BoxSpec, output: BoxOutput, signal: AbortSignal): Promise<BoxEnd> {
  if (!isMainThread)
    throw new SandboxError("boxes start from the main thread only: they die with the thread that started them");
  for (const path of [spec.home, ...spec.mounts.map(({ hostPath }) => hostPath)]) refuseLinks(path);
  const owner = isRoot() ? ownerOfSlot(spec.slot) : undefined;
  const pipes = await host.pipes.open(spec.hasChannel ? 3 : 2, owner);
  let group: ControlGroup | undefined;
  try {
    if (signal.aborted) return { isStopped: true };
    group = host.groups?.open(spec.limits);
    const end = await runIn({ area: host.area, group, pipes, owner }, spec, output, signal);
    if (group !== undefined && !(await group.end())) throw new SandboxError("a box's control groups can't be emptied");
    return end;
  } finally {
    pipes.close();
    await group?.end();
  }
}

interface BoxPlace {
  readonly area: RunArea;
  readonly group: ControlGroup | undefined;
  readonly pipes: OpenPipes;
  /** Host user to become; absent without root. */
  readonly owner: ReturnType<typeof ownerOfSlot> | undefined;
}

async function runIn(
  { area, group, pipes, owner }: BoxPlace,
  spec: BoxSpec,
  output: BoxOutput,
  signal: AbortSignal,
): Promise<BoxEnd> {
  const architecture = architectureOf();
  const folders = [spec.home, ...spec.mounts.flatMap((mount) => (mount.mode === "rw" ? [mount.hostPath] : []))];
  const hasOwnDisk = area.faultOfDisks === undefined && folders.every((folder) => isOnOwnDisk(folder, area.runsDir));
  const [file = "", ...args] = boxCommand(spec, {
    areaRoot: area.root,
    owner,
    groups: group?.entries ?? [],
    nproc: group === undefined ? spec.limits.processes + spareProcesses : undefined,
    architecture,
  });
  const child = spawn(file, args, {
    cwd: "/",
    env: hostEnvironment,
    stdio: ["ignore", ...[0, 1, 2].map((at) => pipes.writers[at] ?? "ignore"), "pipe", "pipe"],
  });
  pipes.closeWriters();
  const filter = child.stdio.at(boxDescriptors.filter) as Writable;
  filter.on("error", () => undefined); // a bwrap that ended before it read it says why
  filter.end(systemCallFilter(architecture, { allocation: !hasOwnDisk, unownedMemory: group === undefined }));
  const ended = Promise.withResolvers<{ code: number | null; signal: NodeJS.Signals | null }>();
  child.once("exit", (code, by) => ended.resolve({ code, signal: by }));
  child.once("error", (error) =>
    ended.reject(new SandboxError(`"${file}" can't be started: ${error.message}`, { cause: error })),
  );

  let first: { readonly pid: number; readonly start: string | undefined } | undefined;
  let isOver = false;
  let lateTimer: NodeJS.Timeout | undefined;
  let status = "";
  const readStatus = (chunk: Buffer) => {
    status += chunk;
    const pid = Number(/"child-pid": (\d+)/.exec(status)?.[1]);
    if (first !== undefined || !Number.isInteger(pid)) return;
    first = { pid, start: startOf(pid) };
    if (isOver) kill();
  };
  const kill = () => {
    isOver = true;
    // a bwrap that is killed while it starts leaves its child waiting for ever: it is let start
    if (first !== undefined && startOf(first.pid) === first.start) sendSignal(first.pid, "SIGKILL");
    lateTimer ??= setTimeout(() => {
      child.kill("SIGKILL");
      group?.kill();
    }, startLimitMs);
  };

  let said = 0;
  let saidAt = performance.now();
  let untaken = 0;
  let stderr = "";
  let failure: unknown;
  let limit: LimitHitJson | undefined;
  const watch = watchLimits({
    limits: spec.limits,
    group,
    disk: { owner, filterFile: area.filterFile, folders, hasOwnDisk },
    first: () => first?.pid,
    lastSaidAt: (at) => (untaken > 0 ? at : saidAt),
    now: () => performance.now(),
    onHit: (hit) => {
      limit ??= hit;
      kill();
    },
  });

  const give = async (stream: Readable, take: BoxOutput["onStdout"]) => {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      saidAt = performance.now();
      said += chunk.length;
      if (said > spec.limits.outputBytes) {
        limit ??= { name: "output", mechanism: "hard", limit: String(spec.limits.outputBytes), peak: String(said) };
        kill();
      }
      if (isOver && limit?.name === "output") continue; // what is left is read and dropped
      untaken += 1;
      try {
        await take(chunk);
      } catch (error) {
        failure ??= error;
        kill();
      } finally {
        untaken -= 1;
        saidAt = performance.now();
      }
    }
  };
  const takeStderr = (chunk: Buffer) => {
    stderr = lastWords(stderr + chunk, keptStderrCharacters);
    return output.onStderr(chunk);
  };
  child.stdio[boxDescriptors.status]?.on("data", readStatus);
  const takers = [output.onStdout, takeStderr, output.onChannel];
  const streams = Promise.all(pipes.readers.map((reader, at) => give(reader, takers[at] ?? (() => {}))));
  streams.catch(() => {}); // awaited below, unless the box could not start

  let isStopped = false;
  let graceTimer: NodeJS.Timeout | undefined;
  const stop = () => {
    isStopped = true;
    const main = first === undefined ? undefined : mainProcessBelow(first.pid);
    if (main === undefined) return kill();
    sendSignal(main, "SIGTERM");
    graceTimer = setTimeout(kill, spec.graceMs);
  };
  signal.addEventListener("abort", stop, { once: true });
  try {
    const end = await ended.promise;
    if (first !== undefined) await untilGone(first);
    const last = await watch.end();
    await streams;
    if (failure !== undefined) throw failure;
    limit ??= last;
    const code = Number(/"exit-code": (\d+)/.exec(status)?.[1]);
    const exit = Number.isInteger(code) ? exitOf(code) : undefined;
    if (exit?.signal === "SIGXFSZ") limit ??= fileSizeHit(spec.limits.diskBytes);
    const facts = { ...(limit === undefined ? {} : { limit }), isStopped };
    if (exit !== undefined) return { ...exit, ...facts };
    if (isOver || limit !== undefined || isStopped || end.signal !== null)
      return { signal: end.signal ?? "SIGKILL", ...facts };
    throw new SandboxError(`the box can't be made (bwrap ended with ${end.code}): ${stderr.trim()}`);
  } finally {
    await watch.end();
    clearTimeout(graceTimer);
    clearTimeout(lateTimer);
    signal.removeEventListener("abort", stop);
  }
}

/** bwrap tells a signal as a shell does: 128 + its number. */
function exitOf(code: number): Pick<BoxEnd, "exitCode" | "signal"> {
  const name = Object.entries(constants.signals).find(([, number]) => number === code - 128)?.[0];
  return name === undefined ? { exitCode: code } : { signal: name };
}

/** One file alone was as large as all of them may be together. */
const fileSizeHit = (bytes: number): LimitHitJson => ({
  ...{ name: "disk", mechanism: "hard", limit: String(bytes), peak: String(bytes) },
});

/** Waits until the box's first process is gone, and with it, by the kernel's rule, every other one. */
async function untilGone(first: { readonly pid: number; readonly start: string | undefined }): Promise<void> {
  const limitAt = performance.now() + endLimitMs;
  while (first.start !== undefined && startOf(first.pid) === first.start) {
    sendSignal(first.pid, "SIGKILL");
    if (performance.now() > limitAt) throw new SandboxError(`process ${first.pid} of a box can't be ended`);
    await wait(endPauseMs);
  }
}

function sendSignal(pid: number, signal: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** A mount's source is what it says: a link would show the box another place of the host. */
function refuseLinks(path: string): void {
  if (!path.startsWith("/") || realpathSync(path) !== path || lstatSync(path).isSymbolicLink()) {
    throw new SandboxError(`"${path}" can't be mounted: it must be an absolute path without links`);
  }
}
