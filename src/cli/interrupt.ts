/** Exit code of a command that Ctrl-C ended. */
const interruptedCode = 130;

/** Runs work until it ends or Ctrl-C aborts its signal; then the command leaves quietly with exit code 130. */
export async function untilInterrupted<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
  const stop = new AbortController();
  const end = () => stop.abort();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, end);
  try {
    return await work(stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    process.exitCode = interruptedCode;
    return undefined;
  } finally {
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(name, end);
  }
}
