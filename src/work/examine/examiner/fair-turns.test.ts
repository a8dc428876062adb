import { expect, it } from "vitest";
import { createFairTurns, NoTurnError } from "./fair-turns.ts";

const never = new AbortController().signal;
const settle = () => new Promise((done) => setImmediate(done));

/** Works that end when they are told to, in the order in which they began. */
function watched(limits: Parameters<typeof createFairTurns>[0]) {
  const take = createFairTurns(limits);
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const bring = (party: string, name: string, signal: AbortSignal = never) =>
    take(party, signal, () => {
      begun.push(name);
      return new Promise<void>((end) => ends.set(name, end));
    });
  return {
    begun,
    bring,
    end: (name: string) => {
      ends.get(name)?.();
      return settle();
    },
  };
}

it("begins the work of a small party while a large one has twenty waiting", async () => {
  const { begun, bring, end } = watched({ atOnce: 3, ofOne: 2, waitingOfOne: 32 });
  for (let n = 1; n <= 20; n += 1) void bring("large", `large-${n}`);
  void bring("small", "small-1");
  await settle();
  expect(begun).toEqual(["large-1", "large-2", "small-1"]);
  void bring("small", "small-2");
  void bring("third", "third-1");
  await end("large-1");
  expect(begun.slice(3)).toEqual(["third-1"]);
  await end("third-1");
  expect(begun.slice(4)).toEqual(["large-3"]);
  await end("small-1");
  expect(begun.slice(5)).toEqual(["small-2"]);
});

it("refuses what would wait too long a queue, and gives the turn of work that failed to the next", async () => {
  const take = createFairTurns({ atOnce: 1, ofOne: 1, waitingOfOne: 1 });
  const failing = take("a", never, async () => {
    await settle();
    throw new Error("no");
  });
  const next = take("a", never, async () => "done");
  await expect(take("a", never, async () => "too many")).rejects.toThrow(NoTurnError);
  await expect(failing).rejects.toThrow("no");
  expect(await next).toBe("done");
});

it("lets work that nobody waits for leave the queue", async () => {
  const { begun, bring, end } = watched({ atOnce: 1, ofOne: 1, waitingOfOne: 8 });
  void bring("a", "first");
  const gone = new AbortController();
  const left = bring("a", "left", gone.signal);
  void bring("a", "last");
  gone.abort(new Error("the caller is gone"));
  await expect(left).rejects.toThrow("the caller is gone");
  await end("first");
  expect(begun).toEqual(["first", "last"]);
});
