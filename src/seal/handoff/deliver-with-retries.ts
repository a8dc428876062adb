import { handoffSpan } from "../../telemetry/run-spans.ts";
import type { InScope, Transaction } from "../../tenancy/transaction.ts";
import { setRemoteId } from "../impediments/impediment-store.ts";
import { followUp } from "./handoff-call.ts";
import type { CallRow, ClaimedCall, FinalAnswer, TracedCall } from "./handoff-store.ts";
import { holdCall, insertCalls, postponeCall, storeAnswers, storeSilence } from "./handoff-store.ts";
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
 * Sends calls: one that the loop claimed, or those of a run to one receiver that were just stored and are held for this replica. What the receiver said to them is recorded together.
 *
 *   acknowledged   done; an accepted impediment is confirmed next
 *   refused        STUCK, not retried
 *   no answer      due again after `retryDelayMs`, without end
 *   held back      due again when its receiver takes calls
 */
export function createDeliverWithRetries(deps: DeliverWithRetriesDeps) {
  const sendHeld = async (calls: readonly [TracedCall, ...TracedCall[]], signal: AbortSignal): Promise<void> => {
    const sent = await Promise.all(
      calls.map(async (call) => ({
        call,
        answer: await handoffSpan(call, call, () => deps.receivers.send(call, signal)),
      })),
    );
    const firsts = await deps.inScope(calls[0], (transaction) => record(deps, transaction, sent));
    for (const { call, answer } of sent) {
      if (answer.state !== "REFUSED" || !firsts.has(call.callId)) continue;
      const { tenant, runId, receiver, rpc, idempotencyKey, phase } = call;
      deps.onStuck({ tenant, runId, receiver, rpc, idempotencyKey, phase, reason: answer.reason });
    }
  };
  return {
    sendHeld,
    async sendClaimed(claimed: ClaimedCall, signal: AbortSignal): Promise<void> {
      const holdMs = deps.receivers.longestSendMs(claimed.receiver) + claimMarginMs;
      const call = await deps.inScope(claimed, (transaction) => holdCall(transaction, claimed, holdMs));
      if (call !== undefined) await sendHeld([call], signal);
    },
  };
}

interface Sent {
  readonly call: CallRow;
  readonly answer: Awaited<ReturnType<Receivers["send"]>>;
}

/** @returns the ids of the calls whose first final answer this is */
async function record(
  deps: DeliverWithRetriesDeps,
  transaction: Transaction,
  sent: readonly Sent[],
): Promise<ReadonlySet<string>> {
  const at = deps.now();
  const [firsts] = await Promise.all([
    storeAnswers(transaction, sent.flatMap(finalAnswer), at),
    ...sent.flatMap(({ call, answer }) => {
      if (answer.state === "HELD_BACK") return [postponeCall(transaction, call, answer.retryAt)];
      if (answer.state !== "UNANSWERED") return [];
      return [storeSilence(transaction, call, answer.error, retryDelayMs(call.attempts, deps.random()))];
    }),
  ]);
  for (const { call, answer } of sent) {
    if (answer.state !== "ACKNOWLEDGED" || call.phase !== "TRY" || !firsts.has(call.callId)) continue;
    const [impedimentId = ""] = call.idempotencyKey.split("/");
    const given = answer.returned.find(({ kind }) => kind === "impediment");
    await Promise.all([
      insertCalls(transaction, call, [followUp(call, "CONFIRM", at)], at),
      ...(given?.id === undefined ? [] : [setRemoteId(transaction, call.tenant, impedimentId, given.id)]),
    ]);
  }
  return firsts;
}

function finalAnswer({ call, answer }: Sent): FinalAnswer[] {
  if (answer.state === "ACKNOWLEDGED") return [{ call, state: "ACKNOWLEDGED", answer: answer.answer, lastError: "" }];
  if (answer.state !== "REFUSED") return [];
  const { code, reason } = answer;
  return [{ call, state: "STUCK", answer: { code, reason }, lastError: reason }];
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
