import { chmod, open } from "node:fs/promises";
import type { HeldLock } from "./hold-lock.ts";
import { holdLock } from "./hold-lock.ts";
import { RunAreaError } from "./sandbox-errors.ts";

/**
 * Takes the exclusive lock of a run area.
 * @throws RunAreaError `run_area_locked` when another worker holds it; the signal's reason
 */
export async function lockArea(root: string, signal: AbortSignal): Promise<HeldLock> {
  const file = `${root}/lock`;
  await (await open(file, "a", 0o600)).close();
  await chmod(file, 0o600); // whoever may read it could hold its lock
  const refused = (why: string, options?: ErrorOptions) =>
    new RunAreaError("run_area_locked", root, `run area "${root}": ${why}; give each worker its own run area`, options);
  const lock = await holdLock(file, { wait: false }, signal).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw refused(cause instanceof Error ? cause.message : String(cause), { cause });
  });
  if (lock === undefined) throw refused("another worker uses it");
  return lock;
}
