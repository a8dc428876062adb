import type { ContextValues, HandlerContext } from "@connectrpc/connect";
import { createContextKey } from "@connectrpc/connect";
import { UnauthenticatedError } from "../../../tenancy/authenticate.ts";
import type { Principal } from "../../../tenancy/request-context.ts";

/** What is known of a call before its message is read. */
export interface RequestContext {
  readonly principal: Principal;
  /** When the token ends; a stream ends with it. */
  readonly expiresAt: Date;
}

export const requestContextKey = createContextKey<RequestContext | undefined>(undefined);
/** Names the call in logs, audit and the answer; the caller's `x-correlation-id` when it sent a usable one. */
export const correlationIdKey = createContextKey("");

/** @throws Error for a call that was not authorized */
export function contextOf({ values }: { readonly values: ContextValues }): RequestContext {
  const found = values.get(requestContextKey);
  if (found === undefined) throw new Error("the call was not authorized");
  return found;
}

export function principalOf(context: { readonly values: ContextValues }): Principal {
  return contextOf(context).principal;
}

const longestTimerMs = 2 ** 31 - 1;

/** A signal that aborts when the caller's token expires, for streams. `forget` clears the timer. */
export function expiryOf(context: HandlerContext, now: Date): { readonly signal: AbortSignal; forget(): void } {
  const leftMs = contextOf(context).expiresAt.getTime() - now.getTime();
  const expiry = new AbortController();
  const timer = setTimeout(
    () => expiry.abort(new UnauthenticatedError("the token has expired; go on with a new one")),
    Math.max(0, Math.min(leftMs, longestTimerMs)),
  );
  return { signal: expiry.signal, forget: () => clearTimeout(timer) };
}
