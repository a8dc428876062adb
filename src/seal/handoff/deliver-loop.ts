import type { Loop } from "../../loops/loop.ts";
import { createLoop } from "../../loops/loop.ts";
import type { InTransaction } from "../../tenancy/transaction.ts";
import type { DeliverWithRetriesDeps } from "./deliver-with-retries.ts";
import { createDeliverWithRetries } from "./deliver-with-retries.ts";
import type { ClaimedCall, HeldUpCall } from "./handoff-store.ts";
import { claimDueCalls, markHeldUpCalls } from "./handoff-store.ts";

export interface DeliverLoopDeps extends DeliverWithRetriesDeps {
  readonly inTransaction: InTransaction;
  /** Called once for a call that has no answer after 15 minutes; retries go on. */
  readonly onHeldUp: (call: HeldUpCall) => void;
  /** Claiming or recording failed; the loop goes on. */
  readonly onError: (error: unknown) => void;
}

/** Most calls claimed in one round. */
const maxClaimed = 4;
const sweepMs = 1_000;

/** Sends due calls (confirms, cancels, impediments) of all tenants until each is answered. Several replicas may run it. After the signal it waits for calls in flight. */
export function createDeliverLoop(deps: DeliverLoopDeps): Loop {
  const deliver = createDeliverWithRetries(deps);
  const inFlight = new Map<Promise<void>, ClaimedCall>();
  const knownReceivers = new Set<string>();
  /** A receiver whose window is full gets no more calls, so that it can't block other receivers. */
  const roomFor = (receiver: string) =>
    deps.receivers.room(receiver) - [...inFlight.values()].filter((call) => call.receiver === receiver).length;

  const sendDue = async (signal: AbortSignal): Promise<boolean> => {
    const free = [...knownReceivers].map((receiver) => ({ receiver, room: roomFor(receiver) }));
    const busy = free.filter(({ room }) => room <= 0).map(({ receiver }) => receiver);
    const atMost = Math.min(maxClaimed, ...free.map(({ room }) => room).filter((room) => room > 0));
    const claimed = await deps.inTransaction((transaction) => claimDueCalls(transaction, atMost, busy));
    for (const call of claimed) {
      knownReceivers.add(call.receiver);
      const sending = deliver(call, signal)
        .catch(deps.onError) // its claim expires, so it is due again
        .finally(() => {
          inFlight.delete(sending);
          loop.wake(); // there is room, and its follow-up may be due
        });
      inFlight.set(sending, call);
    }
    if (claimed.length === atMost) return true;
    for (const call of await deps.inTransaction(markHeldUpCalls)) deps.onHeldUp(call);
    return false;
  };
  const loop = createLoop({ sweepMs, round: sendDue, onError: deps.onError });

  return {
    wake: loop.wake,
    standing: loop.standing,
    async run(signal) {
      await loop.run(signal);
      await Promise.allSettled(inFlight.keys());
    },
  };
}
