import type { Interceptor } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { callAnswered } from "../../../telemetry/metrics/rpc-metrics.ts";
import { callSpan } from "../../../telemetry/run-spans.ts";
import { requestContextKey } from "./request-context.ts";

/** Measures the answer to a call, in a span with the caller's span as parent. That of a stream ends when the stream begins. */
export const traceCall: Interceptor = (next) => (request) => {
  const principal = request.contextValues.get(requestContextKey)?.principal;
  const began = performance.now();
  const tell = (code: string) =>
    callAnswered(`${request.service.typeName}/${request.method.name}`, code, performance.now() - began);
  return callSpan(
    { service: request.service.typeName, method: request.method.name, tenant: principal?.tenant, org: principal?.org },
    { traceparent: request.header.get("traceparent"), tracestate: request.header.get("tracestate") },
    async () => {
      try {
        const answer = await next(request);
        tell("ok");
        return answer;
      } catch (error) {
        tell(Code[ConnectError.from(error).code].toLowerCase());
        throw error;
      }
    },
  );
};
