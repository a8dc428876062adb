import type { ContextValues } from "@connectrpc/connect";
import { createContextKey } from "@connectrpc/connect";
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

/** @throws Error for a call that did not pass the gate */
export function contextOf({ values }: { readonly values: ContextValues }): RequestContext {
  const found = values.get(requestContextKey);
  if (found === undefined) throw new Error("the call has not passed the gate");
  return found;
}

export function principalOf(context: { readonly values: ContextValues }): Principal {
  return contextOf(context).principal;
}
