interface RunningCall {
  readonly answer: Promise<unknown>;
  readonly ending: AbortController;
  callers: number;
  lingering?: NodeJS.Timeout;
}

export type JoinCall = <T>(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;

/** A caller that timed out repeats its call within this time. */
const lingerMs = 15_000;

/**
 * Runs repetitions of a call once: a call with the key of a running one waits for its answer. Work that nobody has waited for during 15 s is aborted.
 * @returns a function that runs work under its key, or joins it. @throws what the work throws; the caller's signal's reason, once it is gone
 */
export function createRunningCalls(): JoinCall {
  const running = new Map<string, RunningCall>();

  const begin = (key: string, work: (signal: AbortSignal) => Promise<unknown>): RunningCall => {
    const ending = new AbortController();
    const answer = work(ending.signal).finally(() => {
      clearTimeout(call.lingering);
      if (running.get(key) === call) running.delete(key);
    });
    answer.catch(() => undefined); // callers get the error; without callers it is dropped
    const call: RunningCall = { answer, ending, callers: 0 };
    running.set(key, call);
    return call;
  };

  const leave = (key: string, call: RunningCall) => {
    call.callers -= 1;
    if (call.callers > 0 || running.get(key) !== call) return;
    call.lingering = setTimeout(() => {
      running.delete(key);
      call.ending.abort(new DOMException("nobody waits for this call any more", "AbortError"));
    }, lingerMs).unref();
  };

  return async <T>(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>) => {
    signal.throwIfAborted();
    const call = running.get(key) ?? begin(key, work);
    clearTimeout(call.lingering);
    call.callers += 1;
    const gone = Promise.withResolvers<never>();
    const onGone = () => gone.reject(signal.reason);
    signal.addEventListener("abort", onGone, { once: true });
    try {
      return (await Promise.race([call.answer, gone.promise])) as T;
    } finally {
      signal.removeEventListener("abort", onGone);
      leave(key, call);
    }
  };
}
