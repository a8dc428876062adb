import type { InTransaction } from "../tenancy/transaction.ts";
import type { DeliverDueCallDeps } from "./deliver-due-call.ts";
import { createDeliverDueCall } from "./deliver-due-call.ts";
import type { ClaimedCall, HeldUpCall } from "./handoff-store.ts";
import { claimDueCalls, markHeldUpCalls } from "./handoff-store.ts";

export interface DeliverLoopDeps extends DeliverDueCallDeps {
  readonly inTransaction: InTransaction;
  /** Called once for a call that has no answer after 15 minutes; it is made again as before. */
  readonly onHeldUp: (call: HeldUpCall) => void;
  /** A claim or a record failed; the loop goes on. */
  readonly onError: (error: unknown) => void;
}

/** Claimed at once. */
const maxClaimed = 4;
const sweepMs = 1_000;

/** Sends what is due to methodologies: confirms, cancels, impediments, of all tenants, until each is answered. Several replicas may run it. */
export interface DeliverLoop {
  /** Something became due: look at once instead of at the next sweep. */
  wake(): void;
  /** Resolves when the signal is aborted and nothing is in flight. */
  run(signal: AbortSignal): Promise<void>;
}

export function createDeliverLoop(deps: DeliverLoopDeps): DeliverLoop {
  const deliver = createDeliverDueCall(deps);
  const inFlight = new Map<Promise<void>, ClaimedCall>();
  const knownReceivers = new Set<string>();
  /** A receiver whose window is full of our calls gets no more, and so holds up no other one. */
  const roomFor = (receiver: string) =>
    deps.receivers.room(receiver) - [...inFlight.values()].filter((call) => call.receiver === receiver).length;
  let bell = Promise.withResolvers<void>();
  const wake = () => bell.resolve();

  const send = async (call: ClaimedCall, signal: AbortSignal): Promise<void> => {
    try {
      await deliver(call, signal);
    } catch (error) {
      deps.onError(error); // its claim expires, so it is due again
    }
  };
  /** @returns whether there may be more than was taken */
  const sendDue = async (signal: AbortSignal): Promise<boolean> => {
    const free = [...knownReceivers].map((receiver) => ({ receiver, room: roomFor(receiver) }));
    const busy = free.filter(({ room }) => room <= 0).map(({ receiver }) => receiver);
    const atMost = Math.min(maxClaimed, ...free.map(({ room }) => room).filter((room) => room > 0));
    const claimed = await deps.inTransaction((transaction) => claimDueCalls(transaction, atMost, busy));
    for (const call of claimed) {
      knownReceivers.add(call.receiver);
      const sending = send(call, signal).finally(() => {
        inFlight.delete(sending);
        wake(); // there is room, and its follow-up may be due
      });
      inFlight.set(sending, call);
    }
    return claimed.length === atMost;
  };

  return {
    wake,
    async run(signal) {
      signal.addEventListener("abort", wake, { once: true });
      while (!signal.aborted) {
        bell = Promise.withResolvers<void>();
        try {
          if (await sendDue(signal)) continue;
          for (const call of await deps.inTransaction(markHeldUpCalls)) deps.onHeldUp(call);
        } catch (error) {
          deps.onError(error);
        }
        await sweepOr(bell.promise);
      }
      await Promise.allSettled(inFlight.keys());
    },
  };
}

async function sweepOr(woken: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, sweepMs);
  await Promise.race([woken, promise]);
  clearTimeout(timer);
}
