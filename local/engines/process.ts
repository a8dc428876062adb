import { spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import type { ProcessIdentity } from "./process-identity.ts";
import { identify, lives } from "./process-identity.ts";
import { sendSignal } from "./send-signal.ts";
import { waitUntil } from "./wait-until.ts";

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface EngineProcess {
  readonly name: string;
  readonly pid: number;
  /** Length of its log when it was started, in bytes. */
  readonly logFrom: number;
  /** Resolves when the process is gone, for whatever reason. */
  readonly exited: Promise<Exit>;
  /**
   * Asks it to end; kills it and all of its process group when `graceMs` has passed.
   * @param graceMs - milliseconds, 3,000 unless told
   */
  stop(graceMs?: number): Promise<void>;
}

export interface EngineProcessOptions {
  name: string;
  argv: string[];
  /** Its whole environment; nothing is inherited. */
  env: NodeJS.ProcessEnv;
  cwd?: string;
  /** Appended to. */
  logFile: string;
  /** Folder in which the process is noted while it lives, for `stopLeftovers`. */
  pidsDir: string;
  /** The signal that ends it in an orderly way: SIGTERM unless told. */
  stopSignal?: NodeJS.Signals;
  /** Command in front of the program that replaces itself by it (`unshare …`). */
  wrapper?: string[];
}

/** The parent-death signal misses a parent that died before it was set: so the parent is checked once more. */
const unlessOrphaned = '[ "$PPID" = "$0" ] && exec "$@"';

/**
 * Starts a long-running program in its own session, so that Ctrl-C reaches only this process, which stops the others in order.
 * The kernel sends it `stopSignal` when this process dies.
 * @throws Error when it cannot be started at all
 */
export async function startProcess(options: EngineProcessOptions): Promise<EngineProcess> {
  const stopSignal = options.stopSignal ?? "SIGTERM";
  mkdirSync(dirname(options.logFile), { recursive: true });
  mkdirSync(options.pidsDir, { recursive: true });
  setAsideLongLog(options.logFile);
  const log = openSync(options.logFile, "a");
  const logFrom = fstatSync(log).size;
  // Entering a user namespace clears the parent-death signal: so the wrapper comes first.
  const [program = "", ...args] = [
    ...(options.wrapper ?? []),
    "setpriv",
    "--pdeathsig",
    stopSignal.slice(3),
    "sh",
    "-c",
    unlessOrphaned,
    String(process.pid),
    ...options.argv,
  ];
  const child = spawn(program, args, {
    env: options.env,
    cwd: options.cwd,
    detached: true,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  const exited = new Promise<Exit>((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (cause) => reject(new Error(`cannot start ${options.name}: ${cause.message}`, { cause })));
  });
  const pid = child.pid ?? 0;
  const note = join(options.pidsDir, `${options.name}.json`);
  const identity = identify(pid);
  if (identity !== undefined) {
    const unfinished = `${options.pidsDir}.${options.name}`; // beside the folder, whose every file is a whole note
    writeFileSync(unfinished, JSON.stringify(identity), { mode: 0o600 });
    renameSync(unfinished, note);
  }
  void exited.then(() => rmSync(note, { force: true }));
  return {
    name: options.name,
    pid,
    logFrom,
    exited,
    stop: async (graceMs = 3_000) => {
      sendSignal(pid, stopSignal, "leader");
      const patience = setTimeout(() => sendSignal(pid, "SIGKILL", "group"), graceMs);
      await exited;
      clearTimeout(patience);
      sendSignal(pid, "SIGKILL", "group");
    },
  };
}

const longLogBytes = 32 * 1024 * 1024;

/** A log that has grown long becomes `<name>.1`, in place of an older one. */
function setAsideLongLog(logFile: string): void {
  if (existsSync(logFile) && statSync(logFile).size > longLogBytes) renameSync(logFile, `${logFile}.1`);
}

/**
 * Ends processes that an earlier, killed owner of this folder left running. A process is ended only when its pid and start time match.
 * @param graceMs - how long each may take to end by itself before it is killed
 * @returns the names of those it ended
 */
export async function stopLeftovers(pidsDir: string, graceMs: number, signal: AbortSignal): Promise<string[]> {
  mkdirSync(pidsDir, { recursive: true });
  const stopped = await Promise.all(
    readdirSync(pidsDir).map(async (file) => {
      const note = join(pidsDir, file);
      const left = readNote(note);
      const alive = left !== undefined && lives(left);
      if (alive) await endLeftover(left, graceMs, signal);
      rmSync(note, { force: true });
      return alive ? [basename(file, ".json")] : [];
    }),
  );
  return stopped.flat();
}

async function endLeftover(left: ProcessIdentity, graceMs: number, signal: AbortSignal): Promise<void> {
  sendSignal(left.pid, "SIGTERM", "leader");
  const gone = async () => !lives(left);
  try {
    await waitUntil(`the end of process ${left.pid}`, gone, { limitMs: graceMs, signal });
  } catch {
    signal.throwIfAborted();
    if (lives(left)) sendSignal(left.pid, "SIGKILL", "group");
    await waitUntil(`the end of killed process ${left.pid}`, gone, { limitMs: 5_000, signal });
  }
}

/** @returns the process that was noted, which may have ended since */
export function readNote(path: string): ProcessIdentity | undefined {
  try {
    const note: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof note !== "object" || note === null || !("pid" in note) || !("started" in note)) return undefined;
    return typeof note.pid === "number" && typeof note.started === "string"
      ? { pid: note.pid, started: note.started }
      : undefined;
  } catch {
    return undefined; // Truncated by a crash; the parent-death signal has ended that process.
  }
}
