import type { CallAnswer } from "../../methodology/methodology.ts";
import { handoffSpan } from "../../telemetry/run-spans.ts";
import type { InScope, Transaction } from "../../tenancy/transaction.ts";
import { setRemoteId } from "../impediments/impediment-store.ts";
import { followUp } from "./handoff-call.ts";
import type { CallRow, ClaimedCall, TracedCall } from "./handoff-store.ts";
import { holdCall, insertCalls, postponeCall, recordAnswer, recordSilence } from "./handoff-store.ts";
import type { Receivers } from "./receivers.ts";

/** A call that its receiver refused; it is not retried, and a person must look at it. */
export interface StuckCall extends Pick<CallRow, "tenant" | "runId" | "receiver" | "rpc" | "idempotencyKey" | "phase"> {
  readonly reason: string;
}

export interface DeliverWithRetriesDeps {
  readonly inScope: InScope;
  readonly receivers: Receivers;
  readonly now: () => Date;
  /** Called once for a call that became STUCK; raises the alert. */
  readonly onStuck: (call: StuckCall) => void;
  /** 0 (included) to 1: spreads retries. */
  readonly random: () => number;
}

/** A claim lasts longer than the call by this, so that the answer is recorded before another replica sends the call again. */
const claimMarginMs = 5_000;

/** Until when a call is kept from other replicas that this one is about to send. */
export const heldUntil = (receivers: Receivers, receiver: string, from: Date): Date =>
  new Date(from.getTime() + receivers.longestSendMs(receiver) + claimMarginMs);

/**
 * Sends calls, one at a time: one that the loop claimed, or one that was just stored and is held for this replica.
 *
 *   acknowledged   done; an accepted impediment is confirmed next
 *   refused        STUCK, not retried
 *   no answer      due again after `retryDelayMs`, without end
 *   held back      due again when its receiver takes calls
 */
export function createDeliverWithRetries(deps: DeliverWithRetriesDeps) {
  const sendHeld = async (call: TracedCall, signal: AbortSignal): Promise<void> => {
    const answer = await handoffSpan(call, call, () => deps.receivers.send(call, signal));
    if (answer.state === "HELD_BACK")
      return deps.inScope(call, (transaction) => postponeCall(transaction, call, answer.retryAt));
    const isNew = await deps.inScope(call, (transaction) => record(deps, transaction, call, answer));
    if (!isNew || answer.state !== "REFUSED") return;
    const { tenant, runId, receiver, rpc, idempotencyKey, phase } = call;
    deps.onStuck({ tenant, runId, receiver, rpc, idempotencyKey, phase, reason: answer.reason });
  };
  return {
    sendHeld,
    async sendClaimed(claimed: ClaimedCall, signal: AbortSignal): Promise<void> {
      const holdMs = deps.receivers.longestSendMs(claimed.receiver) + claimMarginMs;
      const call = await deps.inScope(claimed, (transaction) => holdCall(transaction, claimed, holdMs));
      if (call !== undefined) await sendHeld(call, signal);
    },
  };
}

/** @returns whether this is the call's first final answer */
async function record(
  deps: DeliverWithRetriesDeps,
  transaction: Transaction,
  call: CallRow,
  answer: CallAnswer,
): Promise<boolean> {
  const at = deps.now();
  if (answer.state === "UNANSWERED") {
    await recordSilence(transaction, call, answer.error, retryDelayMs(call.attempts, deps.random()));
    return false;
  }
  if (answer.state === "REFUSED") {
    const { code, reason } = answer;
    return recordAnswer(transaction, call, { state: "STUCK", answer: { code, reason }, lastError: reason }, at);
  }
  const isFirst = await recordAnswer(transaction, call, { ...answer, lastError: "" }, at);
  if (isFirst && call.phase === "TRY") {
    const [impedimentId = ""] = call.idempotencyKey.split("/");
    const given = answer.returned.find(({ kind }) => kind === "impediment");
    await Promise.all([
      insertCalls(transaction, call, [followUp(call, "CONFIRM", at)], at),
      ...(given?.id === undefined ? [] : [setRemoteId(transaction, call.tenant, impedimentId, given.id)]),
    ]);
  }
  return isFirst;
}

/**
 * Exponential back-off from 0.5 s to 60 s; its upper half is random.
 * @param attempts - number of attempts before this one
 * @param random - 0 (included) to 1
 */
export function retryDelayMs(attempts: number, random: number): number {
  const full = Math.min(60_000, 500 * 2 ** Math.min(attempts, 7));
  return full * (0.5 + random / 2);
}
