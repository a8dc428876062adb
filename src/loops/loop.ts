import { createWakeUp } from "./wake-up.ts";

/** Repeats rounds of work until a signal. */
export interface Loop {
  /** There may be something to do. */
  wake(): void;
  /** True after a round that succeeded; else why there was none, or the error of the last one. */
  standing(): true | string;
  /** Resolves after the current round when the signal aborts; never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

const firstPauseMs = 250;
const longestPauseMs = 5_000;

/**
 * Runs one round after another. A round that throws is followed by a pause of 250 ms, 500 ms … 5 s, until one succeeds.
 * @param deps.round - one round of work. Returns whether there may be more to do; if not, the next round begins when woken, after `sweepMs` at the latest
 * @param deps.onError - called with the error of a round
 */
export function createLoop(deps: {
  readonly sweepMs: number;
  readonly round: (signal: AbortSignal) => Promise<boolean>;
  readonly onError: (error: unknown) => void;
}): Loop {
  const wakeUp = createWakeUp();
  let standing: true | string = "it has not begun";
  return {
    wake: wakeUp.wake,
    standing: () => standing,
    async run(signal) {
      let pauseMs = firstPauseMs;
      while (!signal.aborted) {
        try {
          const mayBeMore = await deps.round(signal);
          standing = true;
          pauseMs = firstPauseMs;
          if (!mayBeMore) await wakeUp.wait(deps.sweepMs, signal);
        } catch (error) {
          standing = error instanceof Error ? error.message : String(error);
          deps.onError(error);
          await createWakeUp().wait(pauseMs, signal); // nobody wakes it
          pauseMs = Math.min(pauseMs * 2, longestPauseMs);
        }
      }
    },
  };
}
