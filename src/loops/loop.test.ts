import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createLoop } from "./loop.ts";

const sweepMs = 1_000;
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
let stop: AbortController;
beforeEach(() => {
  vi.useFakeTimers();
  stop = new AbortController();
});
afterEach(() => vi.useRealTimers());

/** A loop whose rounds do what is told, one after the other, and the times at which they begin, in ms. */
function loopOf(...told: (() => boolean | Promise<boolean>)[]) {
  const began: number[] = [];
  const errors: unknown[] = [];
  const start = Date.now();
  const loop = createLoop({
    sweepMs,
    round: async () => {
      began.push(Date.now() - start);
      return told.shift()?.() ?? false;
    },
    onError: (error) => errors.push(error),
  });
  return { loop, began, errors, running: loop.run(stop.signal) };
}
const fails = () => Promise.reject(new Error("away"));

it("goes on at once while there may be more, then after the sweep", async () => {
  const { began } = loopOf(
    () => true,
    () => true,
  );
  await pass(2_500);
  expect(began).toEqual([0, 0, 0, 1_000, 2_000]);
});

it("is woken while it waits, and not forgotten when woken during a round", async () => {
  const inRound = Promise.withResolvers<boolean>();
  const { loop, began } = loopOf(() => inRound.promise);
  loop.wake();
  await pass(300);
  inRound.resolve(false);
  await pass(100);
  loop.wake();
  loop.wake();
  await pass(900);
  expect(began).toEqual([0, 300, 400]);
});

it("pauses longer after each error in a row, up to 5 s, whoever wakes it, and begins at 250 ms again after a success", async () => {
  const { loop, began, errors } = loopOf(...Array(7).fill(fails), () => true, fails);
  await pass(0);
  loop.wake();
  await pass(18_000);
  expect(began).toEqual([0, 250, 750, 1_750, 3_750, 7_750, 12_750, 17_750, 17_750, 18_000, 18_000]);
  expect(errors).toHaveLength(8);
});

it.each([
  ["waits", () => false],
  ["pauses after an error", fails],
])("ends with the signal while it %s", async (_, told) => {
  const { began, running } = loopOf(told);
  await pass(0);
  stop.abort();
  await running;
  expect(began).toEqual([0]);
});
