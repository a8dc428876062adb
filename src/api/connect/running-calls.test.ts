import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createRunningCalls } from "./running-calls.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Work that ends when it is told to, and says which signals it got. */
function aWork() {
  const signals: AbortSignal[] = [];
  const end = Promise.withResolvers<string>();
  return {
    signals,
    end,
    work: (signal: AbortSignal) => {
      signals.push(signal);
      return end.promise;
    },
  };
}

it("does a repeated call once, and gives all that wait its answer", async () => {
  const join = createRunningCalls();
  const { work, signals, end } = aWork();
  const [first, second] = [new AbortController(), new AbortController()];
  const calls = [join("a", first.signal, work), join("a", second.signal, work)];
  end.resolve("done");
  expect(await Promise.all(calls)).toEqual(["done", "done"]);
  expect(signals).toHaveLength(1);
  void join("a", second.signal, work);
  expect(signals).toHaveLength(2);
});

it("goes on for a caller that gave up and asks again", async () => {
  const join = createRunningCalls();
  const { work, signals, end } = aWork();
  const first = new AbortController();
  const call = join("a", first.signal, work);
  first.abort(new Error("its limit is over"));
  await expect(call).rejects.toThrow("its limit is over");
  vi.advanceTimersByTime(14_000);
  const again = join("a", new AbortController().signal, work);
  vi.advanceTimersByTime(60_000);
  expect(signals[0]?.aborted).toBe(false);
  end.resolve("done");
  expect(await again).toBe("done");
  expect(signals).toHaveLength(1);
});

it("stops what nobody waits for, and begins anew for whoever comes later", async () => {
  const join = createRunningCalls();
  const { work, signals } = aWork();
  const [first, second] = [new AbortController(), new AbortController()];
  const calls = [join("a", first.signal, work), join("a", second.signal, work)].map((call) => call.catch(() => "gone"));
  first.abort();
  await calls[0];
  vi.advanceTimersByTime(60_000);
  expect(signals[0]?.aborted).toBe(false);
  second.abort();
  await calls[1];
  vi.advanceTimersByTime(15_000);
  expect(signals[0]?.aborted).toBe(true);
  void join("a", new AbortController().signal, work);
  expect(signals).toHaveLength(2);
});
