import { spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { setTimeout as wait } from "node:timers/promises";
import { hostEnvironment } from "../../host/run-program.ts";
import { SandboxError } from "../sandbox-errors.ts";
import { boxDescriptors } from "./box-command.ts";
import { mainProcessBelow, startOf } from "./box-processes.ts";

/** A box that runs, or is about to. */
export interface StartedBox {
  /**
   * Settles when the box is gone: when its first process ends, the kernel kills all others.
   * Rejects with SandboxError when it can't be started or ended.
   */
  readonly ended: Promise<BwrapEnd>;
  /** The host's number of its first process; undefined until bwrap has told it. */
  first(): number | undefined;
  /** Sends SIGTERM to its program. @returns false when no program runs yet */
  terminate(): boolean;
  /** Kills everything in it, also when it has not started yet. */
  kill(): void;
  isKilled(): boolean;
}

/** How bwrap ended. */
export interface BwrapEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Exit code of the box's program, as a shell tells it; undefined when there is none. */
  readonly programCode: number | undefined;
}

/** A box that was killed while it started, and has not started by then, is killed from outside. */
const startLimitMs = 5_000;
/** The kernel kills a box's processes at once, but a process that waits for a disk ends later. */
const endLimitMs = 10_000;
const endPauseMs = 1;

/** A process by its number and its start time, since numbers are reused. */
interface Process {
  readonly pid: number;
  readonly start: string | undefined;
}

/** Starts a box; the caller closes the writers then. */
export function startBox(how: {
  /** Of `boxCommand`. */
  readonly argv: readonly string[];
  /** Descriptors of standard output, standard error and, with a channel, the channel. */
  readonly writers: readonly number[];
  /** Of `systemCallFilter`. */
  readonly filter: Buffer;
  /** Kills what is left of a box that does not start. */
  readonly killRest: () => void;
}): StartedBox {
  const [file = "", ...args] = how.argv;
  const child = spawn(file, args, {
    cwd: "/",
    env: hostEnvironment,
    stdio: ["ignore", ...[0, 1, 2].map((at) => how.writers[at] ?? "ignore"), "pipe", "pipe"],
  });
  const exited = Promise.withResolvers<{ exitCode: number | null; signal: NodeJS.Signals | null }>();
  child.once("exit", (exitCode, signal) => exited.resolve({ exitCode, signal }));
  child.once("error", (error) =>
    exited.reject(new SandboxError(`"${file}" can't be started: ${error.message}`, { cause: error })),
  );
  const filter = child.stdio.at(boxDescriptors.filter) as Writable;
  filter.on("error", () => undefined); // a bwrap that ends before it reads the filter says why
  filter.end(how.filter);

  const statusPipe = child.stdio.at(boxDescriptors.status) as Readable;
  let status = "";
  let first: Process | undefined;
  let isKilled = false;
  let isGone = false;
  let lateTimer: NodeJS.Timeout | undefined;
  const kill = () => {
    isKilled = true;
    if (isGone) return;
    // a bwrap that is killed while it starts leaves a child that waits for ever, so let it start first
    if (first !== undefined && isThere(first)) sendSignal(first.pid, "SIGKILL");
    lateTimer ??= setTimeout(() => {
      child.kill("SIGKILL");
      how.killRest();
    }, startLimitMs);
  };
  statusPipe.on("data", (chunk) => {
    status += chunk;
    const pid = Number(/"child-pid": (\d+)/.exec(status)?.[1]);
    if (first !== undefined || !Number.isInteger(pid)) return;
    first = { pid, start: startOf(pid) };
    if (isKilled) kill();
  });

  const untilEnded = async (): Promise<BwrapEnd> => {
    try {
      const end = await exited.promise;
      if (first !== undefined) await untilGone(first);
      await finished(statusPipe).catch(() => undefined); // what it told counts, however the pipe ended
      const code = Number(/"exit-code": (\d+)/.exec(status)?.[1]);
      return { ...end, programCode: Number.isInteger(code) ? code : undefined };
    } finally {
      isGone = true;
      clearTimeout(lateTimer);
    }
  };
  return {
    ended: untilEnded(),
    first: () => first?.pid,
    terminate: () => {
      const program = first === undefined ? undefined : mainProcessBelow(first.pid);
      if (program !== undefined) sendSignal(program, "SIGTERM");
      return program !== undefined;
    },
    kill,
    isKilled: () => isKilled,
  };
}

const isThere = ({ pid, start }: Process): boolean => start !== undefined && startOf(pid) === start;

async function untilGone(process: Process): Promise<void> {
  const limitAt = performance.now() + endLimitMs;
  while (isThere(process)) {
    sendSignal(process.pid, "SIGKILL");
    if (performance.now() > limitAt) throw new SandboxError(`process ${process.pid} of a box can't be ended`);
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
