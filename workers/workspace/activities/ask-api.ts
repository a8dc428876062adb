import { setTimeout as sleep } from "node:timers/promises";
import { failureOf } from "../../automation/activities/failure-of.ts";

const retryAfterMs = 500;
const never = new AbortController().signal;

/** Whether the api would answer a repetition the same. */
export function isFinalAnswer(error: unknown): boolean {
  return (failureOf(error, never) as { nonRetryable?: boolean | null }).nonRetryable === true;
}

/**
 * Asks the api until it answers: one that is started anew meanwhile costs a run none of its attempts.
 * @param ask - one call, bounded in time, that may be repeated
 * @throws an answer that stays the same; the signal's reason
 */
export async function askApi<Answer>(ask: () => Promise<Answer>, signal: AbortSignal): Promise<Answer> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await ask();
    } catch (error) {
      signal.throwIfAborted();
      if (isFinalAnswer(error)) throw error;
    }
    await sleep(retryAfterMs, undefined, { signal });
  }
}
