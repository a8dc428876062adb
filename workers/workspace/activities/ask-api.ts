import { failureOf } from "../../automation/activities/failure-of.ts";
import { untilItPasses } from "./until-it-passes.ts";

const longestPauseMs = 10_000;
const never = new AbortController().signal;

/** Whether the api would answer a repetition the same. */
export function isFinalAnswer(error: unknown): boolean {
  return (failureOf(error, never) as { nonRetryable?: boolean | null }).nonRetryable === true;
}

/**
 * Asks the api until it answers: one that is away meanwhile costs a run time and no attempt.
 * @param ask - one call, bounded in time, that may be repeated
 * @throws an answer that stays the same; the signal's reason
 */
export function askApi<Answer>(ask: () => Promise<Answer>, signal: AbortSignal): Promise<Answer> {
  const isPassing = (error: unknown) => !isFinalAnswer(error);
  return untilItPasses(ask, { isPassing, longestPauseMs, onPause: () => undefined }, signal);
}
