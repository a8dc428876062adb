import { setTimeout as sleep } from "node:timers/promises";

/** Wakes a loop that looks for work: at once when told, and by itself after a while, so that a lost hint costs time only. */
export interface Alarm {
  /** Ends the current wait, or the next one when none is going on; many calls at once count as one. */
  wake(): void;
  /** Waits for `wake`, for so many milliseconds, or for the abort, whatever comes first; never throws. */
  wait(atMostMs: number, signal: AbortSignal): Promise<void>;
}

export function createAlarm(): Alarm {
  let isRung = false;
  let stopWaiting: (() => void) | undefined;
  return {
    wake() {
      isRung = true;
      stopWaiting?.();
    },
    async wait(atMostMs, signal) {
      if (!isRung && !signal.aborted) {
        const woken = new AbortController();
        stopWaiting = () => woken.abort();
        await sleep(atMostMs, undefined, { signal: AbortSignal.any([signal, woken.signal]) }).catch(() => undefined);
        stopWaiting = undefined;
      }
      isRung = false;
    },
  };
}
