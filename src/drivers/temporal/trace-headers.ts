import type { Headers } from "@temporalio/common";
import { defaultPayloadConverter } from "@temporalio/common";

/** Headers that carry a trace context through Temporal: from the start of a workflow to each of its activities. */
const names = ["traceparent", "tracestate"] as const;

type Trace = { readonly [Name in (typeof names)[number]]?: string };

export function headersOfTrace(trace: Trace): Headers {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = trace[name];
      return value === undefined ? [] : [[name, defaultPayloadConverter.toPayload(value)]];
    }),
  );
}

export function traceOfHeaders(headers: Headers): Trace {
  return Object.fromEntries(
    names.flatMap((name) => {
      const payload = headers[name];
      const value = payload === undefined ? undefined : defaultPayloadConverter.fromPayload(payload);
      return typeof value === "string" ? [[name, value]] : [];
    }),
  );
}
