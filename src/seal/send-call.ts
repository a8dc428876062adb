import type { CallAnswer } from "../methodology/methodology.ts";
import type { MethodologyOf } from "./handoff-request.ts";
import { UnknownReceiverError } from "./handoff-request.ts";
import type { CallRow } from "./handoff-store.ts";

/** Sends a call to its receiver; a receiver that is not configured any more is one that does not answer. */
export async function sendCall(
  methodologyOf: MethodologyOf,
  call: CallRow,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<CallAnswer> {
  const methodology = methodologyOf(call.receiver);
  if (methodology === undefined) return { state: "UNANSWERED", error: new UnknownReceiverError(call.receiver).message };
  return methodology.send({ method: call.method, request: call.request }, options);
}
