import type { NativeConnection, Worker } from "@temporalio/worker";
import { expect, it, vi } from "vitest";
import { pollWhileAble } from "./poll-while-able.ts";

/** A worker of Temporal that polls until it is told to shut down. */
function fakeWorker() {
  const ended = Promise.withResolvers<void>();
  return { run: () => ended.promise, shutdown: () => ended.resolve(), fail: (error: Error) => ended.reject(error) };
}

function scene(first?: string) {
  let obstacle = first;
  const made: ReturnType<typeof fakeWorker>[] = [];
  const standings: (string | undefined)[] = [];
  const said: string[] = [];
  const stop = new AbortController();
  const polling = pollWhileAble(
    {
      obstacle: async () => obstacle,
      create: async () => {
        const worker = fakeWorker();
        made.push(worker);
        return worker as unknown as Worker;
      },
      close: async () => undefined,
    },
    { connection: {} as NativeConnection, namespace: "n" },
    {
      lookEveryMs: 5,
      signal: stop.signal,
      log: { error: (facts: { obstacle: string }) => said.push(facts.obstacle), info: () => undefined } as never,
      onStanding: (standing) => standings.push(standing),
    },
  );
  const until = (accept: () => boolean) =>
    vi.waitFor(() => expect(accept()).toBe(true), { timeout: 5_000, interval: 1 });
  return { made, standings, said, stop, polling, until, setObstacle: (now?: string) => (obstacle = now) };
}

it("stops to poll when something keeps it from working, says so once, and polls anew when that is gone", async () => {
  const { made, standings, said, stop, polling, until, setObstacle } = scene();
  await until(() => standings.length === 1);
  setObstacle("the disk is full");
  await until(() => standings.filter((each) => each === "the disk is full").length > 2);
  expect([made.length, said]).toEqual([1, ["the disk is full"]]);
  setObstacle(undefined);
  await until(() => made.length === 2 && standings.at(-1) === undefined);
  stop.abort();
  await polling;
  expect(standings[0]).toBeUndefined();
});

it("does not poll at all before it can work", async () => {
  const { made, standings, stop, polling, until } = scene("no box starts");
  await until(() => standings.length > 2);
  expect(made).toEqual([]);
  stop.abort();
  await polling;
});

it("ends with what ends Temporal's worker", async () => {
  const { made, polling, until } = scene();
  await until(() => made.length === 1);
  made[0]?.fail(new Error("the worker is broken"));
  await expect(polling).rejects.toThrow("the worker is broken");
});
