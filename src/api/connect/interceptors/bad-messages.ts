import { create, toBinary } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import type { HandlerContext } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { cutText } from "../../../text/strangers-text.ts";

const mostText = 1_000;
/** gRPC tells errors in trailers, of which common clients take 8 KiB in all. */
const mostDetailBytes = 3_000;

/** What Connect tells as its own fault when it can't read a message, and is the caller's. */
const unreadable = /^(parse binary: |decompression failed$)/;

/**
 * Looks at each error before it is told: what the caller sent wrongly is called so, and nothing that it sent comes back whole.
 * Connect ends a call with its error just before it writes it, and has no other place where one of its own can be seen.
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

/** @returns how many details have room; the first always has */
function fitting(details: ConnectError["details"]): number {
  let bytes = 0;
  const over = details.findIndex((detail, index) => {
    bytes += "desc" in detail ? toBinary(detail.desc, create(detail.desc, detail.value)).length : detail.value.length;
    return index > 0 && bytes > mostDetailBytes;
  });
  return over === -1 ? details.length : over;
}

/** Looks at the message of a Connect GET, of which Connect itself tells bad base64 as a fault of its own. @throws ConnectError invalid_argument */
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
