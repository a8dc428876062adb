import { Code, ConnectError } from "@connectrpc/connect";
import { ApplicationFailure, CancelledFailure } from "@temporalio/activity";
import { supersededExecution } from "../src/drivers/temporal/contract.ts";

/** Answers that a repeated call would get again. Everything else can pass: a restart, a rotated token, an older api during an update. */
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
 * What an activity throws for a failed api call: whether Temporal retries it is decided here.
 * The api answers `aborted` to an execution that does not speak for the run.
 * @param signal - the activity's cancellation: a call that it cut short is cancelled, not failed
 */
export function failureOf(error: unknown, signal: AbortSignal): Error {
  if (signal.aborted) return new CancelledFailure("the activity was cancelled");
  const { code, rawMessage } = ConnectError.from(error);
  const isFinal = final.has(code);
  return ApplicationFailure.create({
    message: rawMessage,
    type: isFinal && code === Code.Aborted ? supersededExecution : Code[code],
    nonRetryable: isFinal,
  });
}
