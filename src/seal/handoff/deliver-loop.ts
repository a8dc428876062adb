import type { Loop } from "../../loops/loop.ts";
import { createLoop } from "../../loops/loop.ts";
import type { InTransaction } from "../../tenancy/transaction.ts";
import type { DeliverWithRetriesDeps } from "./deliver-with-retries.ts";
import { createDeliverWithRetries, heldUntil } from "./deliver-with-retries.ts";
import type { ClaimedCall, HeldUpCall, TracedCall } from "./handoff-store.ts";
import { claimDueCalls, markHeldUpCalls } from "./handoff-store.ts";

export interface DeliverLoopDeps extends DeliverWithRetriesDeps {
  readonly inTransaction: InTransaction;
  /** Called once for a call that has no answer after 15 minutes; retries go on. */
  readonly onHeldUp: (call: HeldUpCall) => void;
  /** Claiming or recording failed; the loop goes on. */
  readonly onError: (error: unknown) => void;
}

export interface DeliverLoop extends Loop {
  /** When a call becomes due that is stored now and then given to `send`: at once for everybody, unless this loop runs. */
  dueAt(receiver: string, now: Date): Date;
  /** Sends calls of one run that were just stored, without a claim. */
  send(calls: readonly TracedCall[]): void;
}

/** Most calls claimed in one round. */
const maxClaimed = 4;
const sweepMs = 1_000;

/** Sends due calls (confirms, cancels, impediments) of all tenants until each is answered. Several replicas may run it. After the signal it waits for calls in flight. */
export function createDeliverLoop(deps: DeliverLoopDeps): DeliverLoop {
  const { sendHeld, sendClaimed } = createDeliverWithRetries(deps);
  const inFlight = new Map<Promise<void>, ClaimedCall>();
  let running: AbortSignal | undefined;
  const knownReceivers = new Set<string>();
  /** A receiver whose window is full gets no more calls, so that it can't block other receivers. */
  const roomFor = (receiver: string) =>
    deps.receivers.room(receiver) - [...inFlight.values()].filter((call) => call.receiver === receiver).length;

  const track = (call: ClaimedCall, sent: Promise<void>, { mayLeadOn }: { readonly mayLeadOn: boolean }): void => {
    knownReceivers.add(call.receiver);
    const sending = sent
      .catch(deps.onError) // its claim expires, so it is due again
      .finally(() => {
        const wasFull = roomFor(call.receiver) <= 0;
        inFlight.delete(sending);
        if (wasFull || mayLeadOn) loop.wake();
      });
    inFlight.set(sending, call);
  };

  const sendDue = async (signal: AbortSignal): Promise<boolean> => {
    const free = [...knownReceivers].map((receiver) => ({ receiver, room: roomFor(receiver) }));
    const busy = free.filter(({ room }) => room <= 0).map(({ receiver }) => receiver);
    const atMost = Math.min(maxClaimed, ...free.map(({ room }) => room).filter((room) => room > 0));
    const claimed = await deps.inTransaction((transaction) => claimDueCalls(transaction, atMost, busy));
    for (const call of claimed) track(call, sendClaimed(call, signal), { mayLeadOn: true }); // to its follow-up, and to more calls
    if (claimed.length === atMost) return true;
    for (const call of await deps.inTransaction(markHeldUpCalls)) deps.onHeldUp(call);
    return false;
  };
  const loop = createLoop({ sweepMs, round: sendDue, onError: deps.onError });

  return {
    wake: loop.wake,
    standing: loop.standing,
    dueAt: (receiver, now) => (running?.aborted === false ? heldUntil(deps.receivers, receiver, now) : now),
    send(calls) {
      if (running?.aborted !== false) return loop.wake();
      for (const [first, ...others] of Map.groupBy(calls, ({ receiver }) => receiver).values()) {
        if (first === undefined) continue;
        const sent = sendHeld([first, ...others], running);
        for (const call of [first, ...others]) track(call, sent, { mayLeadOn: false });
      }
    },
    async run(signal) {
      running = signal;
      await loop.run(signal);
      await Promise.allSettled(inFlight.keys());
    },
  };
}
