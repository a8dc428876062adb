/** Lets a reader wait for news: it is woken at once when told, and by itself after a while, so that a lost hint costs time only. */
export interface WakeUp {
  /** Ends the current wait, or the next one when none is going on; many calls at once count as one. */
  wake(): void;
  /** Waits for `wake`, for so many milliseconds, or for the abort, whatever comes first; never throws. */
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
