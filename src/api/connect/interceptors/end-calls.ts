import type { Interceptor } from "@connectrpc/connect";

/** This process ends before the call does. */
class CallCutShortError extends Error {
  override readonly name = "CallCutShortError";
  readonly code = "shutting_down";
  constructor() {
    super("the api is shutting down before the call is done; make the same call again, which is safe");
  }
}

/** Ends calls that still run when the signal aborts, so that their callers get an answer before their connection goes. Streams end by themselves. */
export function createEndCalls(overdue: AbortSignal): Interceptor {
  return (next) => async (request) => {
    if (request.stream) return next(request);
    const over = Promise.withResolvers<never>();
    const end = () => over.reject(new CallCutShortError());
    overdue.addEventListener("abort", end, { once: true });
    try {
      return await Promise.race([next(request), over.promise]);
    } finally {
      overdue.removeEventListener("abort", end);
    }
  };
}
