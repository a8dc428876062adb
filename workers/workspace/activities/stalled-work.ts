/** Neither an event nor an answer came for longer than any part of the work may take. */
export class StalledWorkError extends Error {
  override readonly name = "StalledWorkError";
  readonly code = "work_stalled";
  constructor(silentMs: number) {
    super(`the work made no progress for ${Math.round(silentMs / 1_000)} s, longer than any of its parts may take`);
  }
}

export interface StallDetector {
  /** Aborts when the work is silent for longer than its limit. */
  readonly signal: AbortSignal;
  /** An event or an answer came. */
  noteProgress(): void;
  /** Lets steps be silent for so much longer. */
  allowSilence(moreMs: number): void;
  /** Looked at before each heartbeat, which is sent only while the work is alive. Aborts the signal when the work has stalled. */
  isAlive(): boolean;
}

/**
 * Notices work that has stalled outside of its boxes: a heartbeat alone says only that the worker lives. A stalled program in a box is noticed by `sandbox/limits/stalled-box.ts`.
 * @param deps.nowMs - monotonic
 */
export function createStallDetector(deps: { readonly limitMs: number; readonly nowMs: () => number }): StallDetector {
  const stalled = new AbortController();
  let limitMs = deps.limitMs;
  let lastAtMs = deps.nowMs();
  return {
    signal: stalled.signal,
    noteProgress: () => {
      lastAtMs = deps.nowMs();
    },
    allowSilence: (moreMs) => {
      limitMs = deps.limitMs + moreMs;
    },
    isAlive: () => {
      const silentMs = deps.nowMs() - lastAtMs;
      if (silentMs > limitMs) stalled.abort(new StalledWorkError(silentMs));
      return !stalled.signal.aborted;
    },
  };
}
