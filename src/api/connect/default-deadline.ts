import type { IncomingHttpHeaders } from "node:http";
import type { DescService } from "@bufbuild/protobuf";

const defaultSeconds = 30;

/**
 * Gives a unary call without a deadline one of 30 s, in the header of its protocol; streams get none.
 * @returns a function that changes the headers before the call is read
 */
export function createDefaultDeadline(
  services: readonly DescService[],
): (request: { readonly url?: string; readonly headers: IncomingHttpHeaders }) => void {
  const unary = new Set(
    services
      .flatMap((service) => service.methods)
      .filter((method) => method.methodKind === "unary")
      .map((method) => `/${method.parent.typeName}/${method.name}`),
  );
  return ({ url, headers }) => {
    if (!unary.has(url?.split("?")[0] ?? "")) return;
    if (headers["content-type"]?.startsWith("application/grpc")) headers["grpc-timeout"] ??= `${defaultSeconds}S`;
    else headers["connect-timeout-ms"] ??= String(defaultSeconds * 1_000);
  };
}
