import { base64Decode } from "@bufbuild/protobuf/wire";
import type { HandlerContext } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";

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
