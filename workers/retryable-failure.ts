import { Code, ConnectError } from "@connectrpc/connect";
import { ApplicationFailure, CancelledFailure } from "@temporalio/activity";
import { supersededExecution } from "../src/drivers/temporal/contract.ts";

/** Answers that stay the same however often one asks. All else may heal: a restart, a rotated token, an api that is still the older one. */
const final: ReadonlySet<Code> = new Set([
  Code.InvalidArgument,
  Code.NotFound,
  Code.AlreadyExists,
  Code.FailedPrecondition,
  Code.OutOfRange,
  Code.DataLoss,
  Code.Aborted,
]);

/**
 * What an activity throws for a failed api call.
 * `aborted` is the api's word for an execution that does not speak for the run. The client says `aborted` for a lost connection, too, and then names its cause: that is no answer.
 * @param signal - the activity's cancellation: a call that it cut short is cancelled, not failed
 */
export function failureOf(error: unknown, signal: AbortSignal): Error {
  if (signal.aborted) return new CancelledFailure("the activity was cancelled");
  const { code, rawMessage, cause } = ConnectError.from(error);
  const isFinal = cause === undefined && final.has(code);
  return ApplicationFailure.create({
    message: rawMessage,
    type: isFinal && code === Code.Aborted ? supersededExecution : Code[code],
    nonRetryable: isFinal,
  });
}
