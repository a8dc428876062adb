/** Nothing happened for so long that nothing will: neither an event nor an answer. */
export class StalledWorkError extends Error {
  override readonly name = "StalledWorkError";
  readonly code = "work_stalled";
  constructor(silentMs: number) {
    super(`the work made no progress for ${Math.round(silentMs / 1_000)} s, longer than any of its parts may take`);
  }
}

export interface ProgressWatchdog {
  /** Aborts when the work is silent for longer than its limit. */
  readonly signal: AbortSignal;
  /** Something happened. */
  note(): void;
  /** Parts of this work may be silent for so much longer. */
  allow(moreMs: number): void;
  /** Asked with every heartbeat. @returns whether the work is alive; a heartbeat of one that is not must not be sent */
  isAlive(): boolean;
}

/**
 * A heartbeat says that a worker lives; this says that its work does. Boxes have watchdogs of their own for what runs in them: this one is for everything between.
 * @param deps.nowMs - monotonic
 */
export function createProgressWatchdog(deps: {
  readonly limitMs: number;
  readonly nowMs: () => number;
}): ProgressWatchdog {
  const stalled = new AbortController();
  let limitMs = deps.limitMs;
  let lastAtMs = deps.nowMs();
  return {
    signal: stalled.signal,
    note: () => {
      lastAtMs = deps.nowMs();
    },
    allow: (moreMs) => {
      limitMs = deps.limitMs + moreMs;
    },
    isAlive: () => {
      const silentMs = deps.nowMs() - lastAtMs;
      if (silentMs > limitMs) stalled.abort(new StalledWorkError(silentMs));
      return !stalled.signal.aborted;
    },
  };
}
