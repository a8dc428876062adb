import { spawn } from "node:child_process";
import { once } from "node:events";
import { hostEnvironment } from "../sandbox/run-program.ts";

const held = "held\n";

/**
 * Does work while no other process, and no other call of this one, does work under the same lock file.
 * flock(2) by a child that lives as long as this process holds its input open: the lock of a dead process counts for nothing.
 * @throws the signal's reason; what the work throws
 */
export async function underLock<T>(file: string, work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const child = spawn("flock", ["--exclusive", file, "sh", "-c", "echo held; exec cat"], {
    cwd: "/",
    env: hostEnvironment,
    stdio: ["pipe", "pipe", "ignore"],
    detached: true,
  });
  child.stdin.on("error", () => undefined); // a child that is gone holds nothing to be told
  const ended = once(child, "exit");
  const give = () => void child.kill("SIGKILL"); // while it waits, nobody else is in its group
  signal.addEventListener("abort", give);
  try {
    const answer = await Promise.race([
      once(child.stdout, "data").then(([chunk]: Buffer[]) => String(chunk)),
      ended.then(() => "ended"),
    ]).finally(() => signal.removeEventListener("abort", give));
    signal.throwIfAborted();
    if (answer !== held) throw new Error(`the lock "${file}" can't be taken: flock ended`);
    return await work();
  } finally {
    child.stdin.end();
    await ended;
  }
}
