import { ActivityFailure, ApplicationFailure, isCancellation, TimeoutFailure } from "@temporalio/workflow";
import { supersededExecution, workFailed } from "../../../src/drivers/temporal/contract.ts";
import { cutText, longestReason, storable } from "../../../src/text/strangers-text.ts";

/** The failure of a local activity is thrown as it is; its timeout, and every failure of a regular activity, is wrapped in an ActivityFailure. */
const causeOf = (error: unknown): unknown => (error instanceof ActivityFailure ? error.cause : error);

/** @returns whether another execution speaks for the run */
export function isSuperseded(error: unknown): boolean {
  const cause = causeOf(error);
  return cause instanceof ApplicationFailure && cause.type === supersededExecution;
}

/** @returns the number of the attempt that failed by a fault of the scheduler itself; undefined for any other failure */
export function failedAttempt(error: unknown): number | undefined {
  const cause = causeOf(error);
  if (!(cause instanceof ApplicationFailure) || cause.type !== workFailed) return undefined;
  return Number(cause.details?.[0]);
}

/** @returns whether the same call may succeed later: it timed out, or its failure is retryable */
export function mayTryAgain(error: unknown): boolean {
  if (isCancellation(error)) return false;
  const cause = causeOf(error);
  return cause instanceof TimeoutFailure || (cause instanceof ApplicationFailure && cause.nonRetryable !== true);
}

/** What went wrong, for people, in at most 2000 characters. */
export function describeFailure(error: unknown): string {
  const cause = causeOf(error);
  return storable(cutText(cause instanceof Error ? cause.message : String(cause), longestReason));
}
