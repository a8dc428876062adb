interface RunningCall {
  readonly answer: Promise<unknown>;
  readonly ending: AbortController;
  callers: number;
  lingering?: NodeJS.Timeout;
}

export type JoinCall = <T>(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;

/** A caller that gave up asks again within this time; after it, nobody does. */
const lingerMs = 15_000;

/**
 * Lets a call that is repeated while it still runs find the running one: it is done once, and all that wait get its answer. Work that nobody has waited for for 15 s is told to stop.
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
    answer.catch(() => undefined); // whoever waits hears of it; when all are gone, nobody does
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
