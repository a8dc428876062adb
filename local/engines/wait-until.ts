import { setTimeout as sleep } from "node:timers/promises";

/**
 * Asks `ready` every `everyMs` until it answers true.
 * @throws whatever `ready` throws, at once; the signal's reason when aborted; an Error naming `what` after `limitMs`
 */
export async function waitUntil(
  what: string,
  ready: () => Promise<boolean>,
  options: { limitMs: number; everyMs?: number; signal: AbortSignal },
): Promise<void> {
  const deadline = performance.now() + options.limitMs;
  for (;;) {
    options.signal.throwIfAborted();
    if (await ready()) return;
    if (performance.now() >= deadline) throw new Error(`${what} took longer than ${options.limitMs / 1000} s`);
    await sleep(options.everyMs ?? 50, undefined, { signal: options.signal });
  }
}
