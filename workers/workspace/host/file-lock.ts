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
 * Takes the exclusive lock of a file, which is made when it does not exist. A child holds it with flock(2) for as long as the worker keeps the child's input open, so a dead worker holds no lock.
 * `local/engines/file-lock.ts` is the same for the local stack: the import table lets neither side import the other.
 * @param how.wait - until nobody else holds it
 * @returns undefined when somebody else holds it and `wait` is false
 * @throws the signal's reason; Error when `flock` is missing or the file can't be locked
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
  child.stdin.on("error", () => undefined); // the child may be gone already
  const ended = once(child, "exit");
  const give = () => void child.kill("SIGKILL"); // while it waits for the lock it has no children
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
