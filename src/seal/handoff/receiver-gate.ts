/** Reports that a call has ended. @param answered - undefined: we gave the call up, which says nothing about the receiver */
export type LeaveGate = (answered: boolean | undefined) => void;

/** Limits the concurrent calls to one receiver, over all tenants. */
export interface ReceiverGate {
  /** How many calls may be in flight; 0 while the gate is shut. */
  room(): number;
  /** Waits up to 5 s for room. @returns undefined when there is none; the call must not be made */
  enter(signal: AbortSignal): Promise<LeaveGate | undefined>;
  /** Earliest useful time to try again. */
  retryAt(): Date;
}

const firstWindow = 4;
const largestWindow = 16;
const silencesUntilShut = 3;
const longestPauseMs = 10_000;
/** Longest wait for room. */
export const gateWaitMs = 5_000;

/**
 * A circuit breaker and an adaptive window of concurrent calls (RFC 5681: slow start, additive increase, multiplicative decrease).
 *
 *   closed      calls up to the window; an answer widens it, a timeout halves it. Three timeouts in a row → shut
 *   shut        no call, for a pause that doubles from 0.5 s to 10 s; its upper half is random. Then → half-open
 *   half-open   one call. Answered → closed, with a window of 2 that doubles at first. Timeout → shut
 *
 * A refusal counts as an answer. Results of calls that were in flight when the gate shut are ignored.
 */
export function createReceiverGate(deps: {
  readonly now: () => Date;
  /** 0 (included) to 1. */
  readonly random: () => number;
}): ReceiverGate {
  const waiting = new Set<(leave: LeaveGate | undefined) => void>();
  let window = firstWindow;
  let slowStartBelow = largestWindow;
  let inFlight = 0;
  let silences = 0;
  let shuttings = 0;
  let shutUntil = 0;
  let era = {};

  const nowMs = () => deps.now().getTime();
  const room = () => {
    if (shuttings === 0) return Math.floor(window);
    return nowMs() < shutUntil ? 0 : 1;
  };
  const admit = (): LeaveGate => {
    const entered = era;
    inFlight += 1;
    return (answered) => {
      if (entered !== era) return;
      inFlight -= 1;
      if (answered === true) widen();
      if (answered === false) narrow();
      letIn();
    };
  };
  const widen = () => {
    shuttings = 0;
    silences = 0;
    window = Math.min(largestWindow, window + (window < slowStartBelow ? 1 : 1 / window));
  };
  const narrow = () => {
    silences += 1;
    window = Math.max(1, window / 2);
    slowStartBelow = window;
    if (shuttings > 0 || silences >= silencesUntilShut) shut();
  };
  const shut = () => {
    const pauseMs = Math.min(longestPauseMs, 500 * 2 ** Math.min(shuttings, 5));
    shutUntil = nowMs() + pauseMs * (0.5 + deps.random() / 2);
    shuttings += 1;
    era = {};
    inFlight = 0;
    silences = 0;
    window = 1;
    slowStartBelow = largestWindow / 2;
    for (const turnAway of waiting) turnAway(undefined);
  };
  const letIn = () => {
    for (const next of waiting) {
      if (inFlight >= room()) return;
      waiting.delete(next);
      next(admit());
    }
  };

  return {
    room,
    retryAt: () => new Date(Math.max(shutUntil, nowMs() + 500)),
    async enter(signal) {
      if (inFlight < room() && waiting.size === 0) return admit();
      if (shuttings > 0 || signal.aborted) return undefined;
      const { promise, resolve } = Promise.withResolvers<LeaveGate | undefined>();
      const giveUp = () => resolve(undefined);
      const timer = setTimeout(giveUp, gateWaitMs);
      signal.addEventListener("abort", giveUp, { once: true });
      waiting.add(resolve);
      try {
        return await promise;
      } finally {
        clearTimeout(timer);
        signal.removeEventListener("abort", giveUp);
        waiting.delete(resolve);
      }
    },
  };
}
