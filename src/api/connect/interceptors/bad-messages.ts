import { create, toBinary } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import type { HandlerContext } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { cutText } from "../../../text/strangers-text.ts";

const mostText = 1_000;
/** gRPC sends errors in trailers; common clients accept 8 KiB of them. */
const mostDetailBytes = 3_000;

/** Messages of errors that Connect reports as internal and that are the caller's mistake. */
const unreadable = /^(parse binary: |decompression failed$)/;

/**
 * Changes each error before it is sent: the caller's mistakes become `invalid_argument`, and what the caller sent is cut.
 * Connect aborts the call's signal with the error just before writing it; there is no other hook for errors of its own.
 */
export function boundErrors({ signal, protocolName, method }: HandlerContext): void {
  signal.addEventListener("abort", () => {
    const error: unknown = signal.reason;
    if (!(error instanceof ConnectError)) return;
    const isUnreadable = error.code !== Code.ResourceExhausted && unreadable.test(error.rawMessage);
    const text = isUnreadable
      ? `the message is not a ${method.input.typeName} as it was announced: ${error.rawMessage}; encode it by the proto`
      : error.rawMessage;
    const rawMessage = cutText(text, mostText);
    const code = isUnreadable ? Code.InvalidArgument : error.code;
    const { message } = new ConnectError(rawMessage, code);
    Object.assign(error, { code, rawMessage, message });
    if (protocolName === "grpc") error.details.splice(fitting(error.details));
  });
}

/** @returns how many details fit; always at least one */
function fitting(details: ConnectError["details"]): number {
  let bytes = 0;
  const over = details.findIndex((detail, index) => {
    bytes += "desc" in detail ? toBinary(detail.desc, create(detail.desc, detail.value)).length : detail.value.length;
    return index > 0 && bytes > mostDetailBytes;
  });
  return over === -1 ? details.length : over;
}

/** Checks the base64 of a Connect GET; Connect itself would report bad base64 as an internal error. @throws ConnectError invalid_argument */
export function assertReadableQuery({ requestMethod, url }: HandlerContext): void {
  if (requestMethod !== "GET") return;
  const query = new URL(url).searchParams;
  if (query.get("base64") !== "1") return;
  try {
    base64Decode(query.get("message") ?? "");
  } catch {
    throw new ConnectError(
      "the query's message is not base64, as base64=1 says; encode it as base64url",
      Code.InvalidArgument,
    );
  }
}
