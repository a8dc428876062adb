import { spawn } from "node:child_process";
import { once } from "node:events";
import { hostEnvironment } from "./run-program.ts";

/** Held until it is released or the worker is dead, whatever killed it. */
export interface FileLock {
  release(): Promise<void>;
}

const heldWord = "held\n";
const busyCode = 75;

/**
 * Takes the exclusive lock of a file, made when it is not there: flock(2) by a child that lives as long as the worker's end of its input is open, so that a dead worker holds no lock.
 * `local/engines/file-lock.ts` is the same for the local stack: the import table lets neither side import the other.
 * @param how.wait - until nobody else holds it
 * @returns undefined when somebody else does, and it is not waited for
 * @throws the signal's reason; Error when there is no such program, or the file can't be locked
 */
export async function holdLock(
  file: string,
  how: { readonly wait: boolean },
  signal: AbortSignal,
): Promise<FileLock | undefined> {
  signal.throwIfAborted();
  const patience = how.wait ? [] : ["--nonblock", "--conflict-exit-code", String(busyCode)];
  const child = spawn("flock", ["--exclusive", ...patience, file, "sh", "-c", "echo held; exec cat"], {
    cwd: "/",
    env: hostEnvironment,
    stdio: ["pipe", "pipe", "ignore"],
    detached: true,
  });
  child.stdin.on("error", () => undefined); // a child that is gone holds nothing to be told
  const ended = once(child, "exit");
  const give = () => void child.kill("SIGKILL"); // while it waits, nobody else is in its group
  signal.addEventListener("abort", give);
  const answer = await Promise.race([
    once(child.stdout, "data").then(([chunk]: Buffer[]) => String(chunk)),
    ended.then(([code]: (number | null)[]) => code),
  ]).finally(() => signal.removeEventListener("abort", give));
  const release = async () => {
    child.ref();
    child.stdin.end();
    if (child.exitCode === null && child.signalCode === null) await ended;
  };
  if (signal.aborted) await release();
  signal.throwIfAborted();
  if (answer === busyCode) return undefined;
  if (answer !== heldWord) throw new Error(`the lock "${file}" can't be taken: flock ended with ${answer}`);
  child.unref();
  return { release };
}

/**
 * Does work while no other process, and no other call of this one, works under the same lock file.
 * @throws the signal's reason; what the work throws
 */
export async function underLock<T>(file: string, work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const lock = await holdLock(file, { wait: true }, signal);
  try {
    return await work();
  } finally {
    await lock?.release();
  }
}
