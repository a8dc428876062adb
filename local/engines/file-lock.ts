import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { sendSignal } from "./send-signal.ts";

export interface FileLock {
  release(): Promise<void>;
}

/**
 * Holds an advisory lock on a file until released or until this process ends in any way: `flock` holds it while our pipe is open.
 * @param options.wait - wait for the holder instead of giving up
 * @returns undefined when somebody else holds it and `wait` is false
 * @throws Error when `flock` (util-linux) is missing or the folder cannot be written
 */
export async function lockFile(
  path: string,
  options: { wait: boolean; signal: AbortSignal },
): Promise<FileLock | undefined> {
  options.signal.throwIfAborted();
  mkdirSync(dirname(path), { recursive: true });
  const mode = options.wait ? [] : ["--nonblock", "--conflict-exit-code", "75"];
  const holder = spawn("flock", [...mode, path, "sh", "-c", "echo held; exec cat"], {
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  let complaint = "";
  holder.stderr.on("data", (chunk) => (complaint += chunk));
  const ended = new Promise<number | null>((resolve) => holder.once("close", resolve));
  const release = async () => {
    holder.ref();
    holder.stdin.end();
    await ended;
  };
  const abandon = () => {
    if (holder.pid !== undefined) sendSignal(holder.pid, "SIGKILL", "group");
  };
  return await new Promise<FileLock | undefined>((resolve, reject) => {
    holder.once("error", (cause) =>
      reject(new Error("`flock` is missing; install the package util-linux and start again", { cause })),
    );
    options.signal.addEventListener("abort", abandon, { once: true });
    holder.stdout.once("data", () => {
      options.signal.removeEventListener("abort", abandon);
      holder.unref();
      resolve({ release });
    });
    void ended.then((code) => {
      options.signal.removeEventListener("abort", abandon);
      if (options.signal.aborted) reject(options.signal.reason);
      else if (code === 75) resolve(undefined);
      else reject(new Error(`cannot lock ${path}: ${complaint.trim()}`));
    });
  });
}
