import { UnknownReceiverError } from "../../definitions/receiver-rules.ts";
import type { CallAnswer, ReceiverOf } from "../../methodology/methodology.ts";
import { measureHandoff } from "../../telemetry/metrics/handoff-metrics.ts";
import type { CallRow } from "./handoff-store.ts";
import type { ReceiverGate } from "./receiver-gate.ts";
import { createReceiverGate, gateWaitMs } from "./receiver-gate.ts";

/** The result of a call; HELD_BACK: it was not made. */
export type SentCall = CallAnswer | { readonly state: "HELD_BACK"; readonly retryAt: Date };

/** The receivers of this process, each with its own gate, which tries, confirms and impediments of all tenants share. */
export interface Receivers {
  send(call: CallRow, signal: AbortSignal): Promise<SentCall>;
  /** How many calls the receiver takes at once at present. */
  room(receiver: string): number;
  /** Earliest time of the next call. */
  retryAt(receiver: string): Date;
  /** Longest duration of `send`, in milliseconds. */
  longestSendMs(receiver: string): number;
}

export function createReceivers(deps: {
  readonly receiverOf: ReceiverOf;
  readonly now: () => Date;
  /** 0 (included) to 1: spreads pauses. */
  readonly random: () => number;
}): Receivers {
  const gates = new Map<string, ReceiverGate>();
  const gateOf = (receiver: string): ReceiverGate => {
    const gate = gates.get(receiver) ?? createReceiverGate(deps);
    gates.set(receiver, gate);
    return gate;
  };
  const send = async (call: CallRow, signal: AbortSignal): Promise<SentCall> => {
    const receiver = deps.receiverOf(call.receiver);
    if (receiver === undefined) return { state: "UNANSWERED", error: new UnknownReceiverError(call.receiver).message };
    const gate = gateOf(call.receiver);
    const leave = await gate.enter(signal);
    if (leave === undefined) return { state: "HELD_BACK", retryAt: gate.retryAt() };
    let answered: boolean | undefined;
    try {
      const answer = await receiver.send(call, { timeoutMs: receiver.tryTimeoutMs, signal });
      answered = answer.state !== "UNANSWERED" || (signal.aborted ? undefined : false);
      return answer;
    } finally {
      leave(answered);
    }
  };
  return {
    send: (call, signal) => measureHandoff(call, () => send(call, signal)),
    room: (receiver) => gateOf(receiver).room(),
    retryAt: (receiver) => gateOf(receiver).retryAt(),
    longestSendMs: (receiver) => gateWaitMs + (deps.receiverOf(receiver)?.tryTimeoutMs ?? 0),
  };
}
