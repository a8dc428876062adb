import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, open } from "node:fs/promises";
import { hostEnvironment } from "./run-program.ts";
import { RunAreaError } from "./sandbox-errors.ts";

/** Held until it is released or the worker is dead, however it died. */
export interface AreaLock {
  release(): Promise<void>;
}

const limitMs = 10_000;

/**
 * Takes the exclusive lock of a run area: flock(2), held by a child that lives as long as the worker's end of its input is open.
 * @throws RunAreaError `run_area_locked` when another worker holds it
 */
export async function lockArea(root: string, signal: AbortSignal): Promise<AreaLock> {
  signal.throwIfAborted();
  const file = `${root}/lock`;
  await (await open(file, "a", 0o600)).close();
  await chmod(file, 0o600); // whoever may read it could hold its lock
  const held = "held\n";
  const child = spawn("flock", ["--nonblock", "--conflict-exit-code", "75", file, "sh", "-c", "echo held; exec cat"], {
    cwd: "/",
    env: hostEnvironment,
    stdio: ["pipe", "pipe", "ignore"],
    detached: true,
  });
  const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  const ended = once(child, "exit");
  const give = () => child.kill("SIGKILL");
  limit.addEventListener("abort", give);
  const said = once(child.stdout, "data").then(([chunk]: Buffer[]) => String(chunk));
  const answer = await Promise.race([said, ended.then(([code]: (number | null)[]) => code)]).finally(() =>
    limit.removeEventListener("abort", give),
  );
  if (answer !== held) {
    signal.throwIfAborted();
    const why = answer === 75 ? "another worker uses it" : `its lock can't be taken (flock ended with ${answer})`;
    throw new RunAreaError("run_area_locked", root, `run area "${root}": ${why}; give each worker its own run area`);
  }
  child.unref();
  return {
    release: async () => {
      child.ref();
      child.stdin.end();
      if (child.exitCode === null && child.signalCode === null) await ended;
    },
  };
}
