import type { HandlerContext } from "@connectrpc/connect";
import { UnauthenticatedError } from "../../../tenancy/authenticate.ts";
import { contextOf } from "./request-context.ts";

const longestTimerMs = 2 ** 31 - 1;

/** A signal that aborts when the caller's token ends: a stream may not outlive it. `forget` gives the timer back. */
export function expiryOf(context: HandlerContext, now: Date): { readonly signal: AbortSignal; forget(): void } {
  const leftMs = contextOf(context).expiresAt.getTime() - now.getTime();
  const expiry = new AbortController();
  const timer = setTimeout(
    () => expiry.abort(new UnauthenticatedError("the token has expired; go on with a new one")),
    Math.max(0, Math.min(leftMs, longestTimerMs)),
  );
  return { signal: expiry.signal, forget: () => clearTimeout(timer) };
}
