/** Sends a signal to a process, or to its whole process group; one that is gone already is no error. */
export function sendSignal(pid: number, signal: NodeJS.Signals, whom: "leader" | "group"): void {
  try {
    process.kill(whom === "group" ? -pid : pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
