import { constants } from "node:os";

/** One Ctrl-C may arrive several times: from the terminal, npm and the launcher. A person is slower. */
const sameMs = 400;

/**
 * Runs work until it ends or SIGINT, SIGTERM or SIGHUP aborts it; then the exit code is 128 + the signal's number, 130 for Ctrl-C.
 * @param hurry - called for every further signal; by default ends the program
 * @returns undefined when it was interrupted
 */
export async function untilInterrupted<T>(
  work: (signal: AbortSignal) => Promise<T>,
  hurry: (exitCode: number) => void = (exitCode) => process.exit(exitCode),
): Promise<T | undefined> {
  const stop = new AbortController();
  let exitCode = 0;
  let firstAt = 0;
  const end = (name: NodeJS.Signals) => {
    if (exitCode === 0) {
      exitCode = 128 + constants.signals[name];
      firstAt = performance.now();
      stop.abort();
    } else if (performance.now() - firstAt > sameMs) hurry(exitCode);
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, end);
  try {
    const done = await work(stop.signal);
    if (!stop.signal.aborted) return done;
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(name, end);
  }
  process.exitCode = exitCode;
  return undefined;
}
