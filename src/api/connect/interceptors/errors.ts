import type { DescMethod } from "@bufbuild/protobuf";
import { fromJson } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ReasonJson } from "../../../gen/automation/v1/run_event_pb.ts";
import { ReasonSchema } from "../../../gen/automation/v1/run_event_pb.ts";
import { storable } from "../../../text/strangers-text.ts";
import { methodName } from "./permission-of.ts";
import { correlationIdKey } from "./request-context.ts";

/** Connect codes of the rooms' errors, by their stable code. `aborted` is used for superseded executions only: it makes a worker end. */
const codes: Readonly<Record<string, Code>> = {
  unauthenticated: Code.Unauthenticated,
  invalid_scope: Code.InvalidArgument,
  foreign_scope: Code.PermissionDenied,
  org_required: Code.InvalidArgument,
  forbidden: Code.PermissionDenied,
  issuer_unreachable: Code.Unavailable,
  invalid_request: Code.InvalidArgument,
  invalid_page_token: Code.InvalidArgument,
  invalid_sequence: Code.InvalidArgument,
  invalid_declaration: Code.InvalidArgument,
  invalid_report: Code.InvalidArgument,
  unknown_segment: Code.InvalidArgument,
  invalid_event: Code.InvalidArgument,
  invalid_bundle: Code.InvalidArgument,
  invalid_uploads: Code.InvalidArgument,
  missing_upload: Code.FailedPrecondition,
  bundle_not_pinned: Code.PermissionDenied,
  unknown_receiver: Code.FailedPrecondition,
  receiver_method: Code.FailedPrecondition,
  unknown_run: Code.NotFound,
  unknown_request: Code.NotFound,
  ambiguous_event: Code.InvalidArgument,
  unknown_hold: Code.NotFound,
  unknown_selection: Code.NotFound,
  unknown_rule: Code.NotFound,
  rule_version_conflict: Code.FailedPrecondition,
  unknown_definition: Code.NotFound,
  unknown_profile: Code.NotFound,
  unknown_persona: Code.NotFound,
  unknown_artifact: Code.NotFound,
  unknown_attestation: Code.NotFound,
  version_exists: Code.AlreadyExists,
  conflicting_request: Code.AlreadyExists,
  rejected_request: Code.FailedPrecondition,
  run_ended: Code.FailedPrecondition,
  illegal_transition: Code.FailedPrecondition,
  seal_not_ready: Code.FailedPrecondition,
  superseded_execution: Code.Aborted,
  stream_moved: Code.Unavailable,
  object_store_away: Code.Unavailable,
  altered_object: Code.DataLoss,
  unsignable_statement: Code.DataLoss,
  slow_reader: Code.ResourceExhausted,
  too_many_watchers: Code.ResourceExhausted,
  too_many_rules: Code.ResourceExhausted,
  limit_id_repeated: Code.InvalidArgument,
  shutting_down: Code.Unavailable,
  examiners_busy: Code.Unavailable,
};

/** Codes of failed connections to Postgres or S3, and of servers that can't serve at the moment. */
const away =
  /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ERR_SOCKET_CLOSED|08...|53...|55P03|57...|40001|40P01)$/;
const awayMessage =
  /^(Query read timeout|timeout expired|timeout exceeded when trying to connect|Connection terminated|connection error)|is not queryable/i;

/** Of every `unavailable`: seconds after which the same call may be answered (RFC 9110, 10.2.3); in gRPC a trailer. */
const hint = { "retry-after": "1" };

export type ToConnectError = (
  error: unknown,
  call: { readonly correlationId: string; readonly method: DescMethod },
) => ConnectError;

/** @param deps.onInternal - gets the error of which the caller is told the correlation id only; `unavailable` when what failed is an engine that is away */
export function createToConnectError(deps: {
  readonly onInternal: (
    error: unknown,
    facts: { readonly correlationId: string; readonly method: string; readonly code: "internal" | "unavailable" },
  ) => void;
}): ToConnectError {
  return (error, { correlationId, method }) => {
    if (error instanceof ConnectError) return error;
    const code = codeOf(error);
    const known = typeof code === "string" ? codes[code] : undefined;
    if (error instanceof Error && known !== undefined)
      return new ConnectError(
        storable(error.message),
        known,
        known === Code.Unavailable ? hint : undefined,
        reasonsOf(error),
      );
    const facts = { correlationId, method: methodName(method) };
    if (isAway(error)) {
      deps.onInternal(error, { ...facts, code: "unavailable" });
      const message = `storage does not answer; try again (correlation id ${correlationId})`;
      return new ConnectError(message, Code.Unavailable, hint);
    }
    if (typeof code === "string" && /^22...$/.test(code))
      return new ConnectError(
        "a value can't be stored: text must be valid Unicode without NUL characters, numbers and times in range; correct it and call again",
        Code.InvalidArgument,
      );
    deps.onInternal(error, { ...facts, code: "internal" });
    return new ConnectError(`internal error; its log line has correlation id ${correlationId}`, Code.Internal);
  };
}

/** Translates errors of the rooms, also those thrown while a stream is read. */
export function createErrors(toConnectError: ToConnectError): Interceptor {
  return (next) => async (request) => {
    const call = { correlationId: request.contextValues.get(correlationIdKey), method: request.method };
    const told = (error: unknown) =>
      request.signal.aborted ? ConnectError.from(request.signal.reason) : toConnectError(error, call);
    try {
      const response = await next(request);
      if (!response.stream) return response;
      return { ...response, message: translating(response.message, told) };
    } catch (error) {
      throw told(error);
    }
  };
}

async function* translating<T>(messages: AsyncIterable<T>, told: (error: unknown) => ConnectError): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    throw told(error);
  }
}

function reasonsOf(error: Error) {
  const reasons = "reasons" in error && Array.isArray(error.reasons) ? (error.reasons as readonly ReasonJson[]) : [];
  return reasons.map((reason) => ({ desc: ReasonSchema, value: fromJson(ReasonSchema, reason) }));
}

function isAway(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isAway);
  if (!(error instanceof Error)) return false;
  const code = codeOf(error);
  if (typeof code === "string" && away.test(code)) return true;
  if (error.name === "TimeoutError" || error.name === "AbortError" || awayMessage.test(error.message)) return true;
  if ("$metadata" in error) return Number((error.$metadata as { httpStatusCode?: number }).httpStatusCode) >= 500;
  return error.cause !== undefined && isAway(error.cause);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
