/** Waits for work: woken at once by `wake`, else after a time limit, so that a lost hint only costs time. */
export interface WakeUp {
  /** Ends the current wait, or the next one; several calls count as one. */
  wake(): void;
  /** Waits for `wake`, the time limit or the abort, whatever comes first; never throws. */
  wait(atMostMs: number, signal: AbortSignal): Promise<void>;
}

export function createWakeUp(): WakeUp {
  let isWoken = false;
  let stopWaiting = () => {};
  return {
    wake() {
      isWoken = true;
      stopWaiting();
    },
    async wait(atMostMs, signal) {
      if (!isWoken && !signal.aborted) {
        const { promise, resolve } = Promise.withResolvers<void>();
        stopWaiting = () => resolve();
        const timer = setTimeout(stopWaiting, atMostMs);
        signal.addEventListener("abort", stopWaiting, { once: true });
        await promise;
        clearTimeout(timer);
        signal.removeEventListener("abort", stopWaiting);
      }
      isWoken = false;
    },
  };
}
