import type { Interceptor } from "@connectrpc/connect";
import { callSpan } from "../../../telemetry/run-spans.ts";
import { requestContextKey } from "./request-context.ts";

/** Opens a span around the answer to a call, with the caller's span as parent. That of a stream ends when the stream begins. */
export const traceCall: Interceptor = (next) => (request) => {
  const principal = request.contextValues.get(requestContextKey)?.principal;
  return callSpan(
    { service: request.service.typeName, method: request.method.name, tenant: principal?.tenant, org: principal?.org },
    { traceparent: request.header.get("traceparent"), tracestate: request.header.get("tracestate") },
    () => next(request),
  );
};
