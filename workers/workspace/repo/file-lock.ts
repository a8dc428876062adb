import { holdLock } from "../sandbox/hold-lock.ts";

/**
 * Does work while no other process, and no other call of this one, does work under the same lock file; the lock of a dead process counts for nothing.
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
