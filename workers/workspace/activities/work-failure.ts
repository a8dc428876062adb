import { ConnectError } from "@connectrpc/connect";
import { ApplicationFailure, CancelledFailure } from "@temporalio/activity";
import { workFailed } from "../../../src/drivers/temporal/contract.ts";
import { failureOf } from "../../retryable-failure.ts";
import { hostFaultOf } from "../host/host-fault.ts";

/** The api or the object store did not answer, or answered with a temporary error. */
export class AwayError extends Error {
  override readonly name = "AwayError";
  readonly isPassing = true;
}

const firstPauseMs = 1_000;
const longestPauseMs = 60_000;

/** Pause after a try, from the first on: 1, 2, 4 … 60 s. */
export const pauseAfter = (attempt: number): number => Math.min(firstPauseMs * 2 ** (attempt - 1), longestPauseMs);

/**
 * Says what an attempt has to wait for, when a fault of the worker's host or a service that is away ended it.
 * @returns undefined for a fault of the work, and for a bug of ours
 */
function awaitedBy(error: unknown): string | undefined {
  const { isPassing, message } = error instanceof Error ? (error as Error & { readonly isPassing?: unknown }) : {};
  return isPassing === true ? message : hostFaultOf(error);
}

/**
 * Decides whether and when the work is retried: the error that the activity throws for an error of an attempt.
 *
 *   a requested cancel                    cancelled
 *   shutdown, activity lost               tried again at once, by any worker
 *   waits for something (`awaitedBy`)     tried again after a growing pause, while the run has time
 *   a final error of the api              never tried again
 *   anything else: a bug of ours          WorkFailed: the workflow counts these
 */
export function asFailure(
  error: unknown,
  at: { readonly attempt: number; readonly isCancelled: boolean; readonly isCancelAsked: boolean },
): Error {
  if (error instanceof ApplicationFailure) return error;
  if (at.isCancelAsked) return new CancelledFailure("the work was stopped");
  if (at.isCancelled)
    return ApplicationFailure.create({ message: workerEnded, type: "WorkerEnded", nextRetryDelay: firstPauseMs });
  if (error instanceof CancelledFailure) return error;
  const reason = awaitedBy(error);
  if (reason !== undefined)
    return ApplicationFailure.create({ message: reason, type: "Waiting", nextRetryDelay: pauseAfter(at.attempt) });
  if (error instanceof ConnectError) return failureOf(error, new AbortController().signal);
  const message = error instanceof Error ? error.message : String(error);
  return ApplicationFailure.create({ message, type: workFailed, nonRetryable: true, details: [at.attempt] });
}

const workerEnded = "another worker: this one ends, or lost the work";
