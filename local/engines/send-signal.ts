/** Sends a signal to a process, or to its process group; does nothing when it has ended. */
export function sendSignal(pid: number, signal: NodeJS.Signals, whom: "leader" | "group"): void {
  try {
    process.kill(whom === "group" ? -pid : pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
