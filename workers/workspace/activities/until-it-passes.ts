import { setTimeout as sleep } from "node:timers/promises";

const firstPauseMs = 500;

/**
 * Retries work with growing pauses until it succeeds.
 * @param how.longestPauseMs - pauses double from 500 ms up to this
 * @param how.onPause - told what went wrong, and how long the pause before the next try is
 * @throws an error for which `isPassing` is false; the signal's reason
 */
export async function untilItPasses<T>(
  work: () => Promise<T>,
  how: {
    readonly isPassing: (error: unknown) => boolean;
    readonly longestPauseMs: number;
    readonly onPause: (error: unknown, pauseMs: number) => void;
  },
  signal: AbortSignal,
): Promise<T> {
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, how.longestPauseMs)) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (!how.isPassing(error)) throw error;
      how.onPause(error, pauseMs);
    }
    await sleep(pauseMs, undefined, { signal });
  }
}
