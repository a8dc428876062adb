import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { faultsOf } from "../support/probes/faults-of.ts";
import type { EngineName, PairName, PairsWorld } from "../support/worlds/pairs-world.ts";
import { startPairsWorld } from "../support/worlds/pairs-world.ts";
import { startTraffic } from "../support/worlds/traffic.ts";

/** `NEMESIS_SEED` repeats the order of the faults, `NEMESIS_SECONDS` says for how long there are any. */
const seed = Number(process.env.NEMESIS_SEED ?? Math.floor(Math.random() * 2 ** 31));
const seconds = Number(process.env.NEMESIS_SECONDS ?? 20);
/** So many runs end before the first fault, after each, and after the last. */
const successes = 3;
const patience = { timeout: 180_000, interval: 200 };

let world: PairsWorld;
let traffic: ReturnType<typeof startTraffic>;

beforeAll(async () => {
  world = await startPairsWorld(AbortSignal.timeout(3_000_000));
}, 300_000);
afterAll(() => world?.close());

interface Fault {
  readonly name: string;
  act(): Promise<unknown>;
}

const killed = (engine: EngineName, id: string): Fault => ({
  name: `${id} ${engine} is killed`,
  act: () => restart(engine, "SIGKILL"),
});
const frozen = (engine: EngineName, forSeconds: number, id: string): Fault => ({
  name: `${id} ${engine} stands still for ${forSeconds} s`,
  act: async () => {
    const thaw = world.freeze(engine);
    await sleep(forSeconds * 1_000).finally(thaw); // the fault itself
  },
});
const killedOf = (name: PairName, id: string): Fault => ({
  name: `${id} one ${name} of two is killed`,
  act: () => world.replace(name, 1),
});
const frozenOf = (name: PairName, forSeconds: number, id: string): Fault => ({
  name: `${id} one ${name} of two stands still for ${forSeconds} s`,
  act: async () => {
    const { pid } = world.member(name, 0);
    process.kill(pid, "SIGSTOP");
    await sleep(forSeconds * 1_000).finally(() => process.kill(pid, "SIGCONT")); // the fault itself
  },
});
const cutOff = (engine: EngineName): Fault => ({
  name: `all connections to ${engine} are cut`,
  act: () => vi.waitFor(() => expect(world.proxies[engine].cut()).toBeGreaterThan(0), { ...patience, interval: 5 }),
});
const slowed = (engine: EngineName): Fault => ({
  name: `each answer of ${engine} takes 300 ms longer for 4 s`,
  act: async () => {
    world.proxies[engine].delay(150);
    await sleep(4_000).finally(() => world.proxies[engine].delay(0)); // the fault itself
  },
});
const lostReplies = (engine: EngineName, call: string, isCall: (bytes: Buffer) => boolean): Fault => ({
  name: `the answers of three executed calls are lost: ${call}`,
  act: async () => {
    const proxy = world.proxies[engine];
    const before = proxy.lost();
    proxy.loseReplies(3, () => ({ isCall }));
    await vi.waitFor(() => expect(proxy.lost()).toBeGreaterThanOrEqual(before + 3), patience);
  },
});
/** A request of Kafka's protocol by its key. */
const kafkaCall = (key: number, client: string) => (bytes: Buffer) =>
  bytes.length > 14 && bytes.readInt16BE(4) === key && bytes.includes(client);

const faults: readonly Fault[] = [
  killed("kafka", "F1"),
  frozen("kafka", 11, "F1, F2"),
  killed("nats", "F1"),
  frozen("nats", 11, "F1"),
  killedOf("dispatcher", "F7"),
  frozenOf("dispatcher", 13, "F3"),
  killedOf("relay", "F13"),
  frozenOf("relay", 11, "F13"),
  killedOf("api", "F11"),
  frozenOf("api", 6, "F11"),
  killedOf("worker", "F9"),
  killed("temporal", "F9"),
  frozen("temporal", 8, "F9"),
  { name: "F11 postgres is restarted at once", act: () => restart("postgres", "SIGQUIT") },
  killed("postgres", "F11"),
  frozen("postgres", 6, "F11"),
  killed("s3", "F15"),
  frozen("s3", 6, "F15"),
  cutOff("postgres"),
  cutOff("temporal"),
  cutOff("kafka"),
  cutOff("nats"),
  cutOff("s3"),
  slowed("postgres"),
  slowed("temporal"),
  slowed("kafka"),
  lostReplies("temporal", "F8 start a workflow", (bytes) => bytes.includes("automationRun")),
  lostReplies("postgres", "F11 commit", (bytes) => bytes.includes("commit\0")),
  lostReplies("s3", "F15 store an object", (bytes) => bytes.subarray(0, 4).toString() === "PUT "),
  lostReplies("kafka", "F13 publish", kafkaCall(0, "automation-relay")),
  lostReplies("kafka", "F7 commit an offset", kafkaCall(8, "automation-dispatcher")),
  lostReplies("nats", "F7 acknowledge a message", (bytes) => bytes.includes("$JS.ACK")),
];

it(`loses, doubles and forgets nothing under faults (seed ${seed}, ${seconds} s)`, async () => {
  traffic = startTraffic(world);
  await ended(successes);
  const told: object[] = [];
  const began = performance.now();
  for (let round = 0; performance.now() - began < seconds * 1_000; round += 1) {
    const [order = []] = fc.sample(fc.shuffledSubarray([...faults], { minLength: faults.length }), {
      ...{ seed: seed + round, numRuns: 1 },
    });
    for (const fault of order) {
      if (performance.now() - began >= seconds * 1_000) break;
      const from = { at: performance.now(), ended: await endedCount() };
      await fault.act().catch((cause) => {
        throw new Error(fault.name, { cause });
      });
      const after = { at: performance.now(), ended: await endedCount() };
      await ended(after.ended + successes); // it is at work again
      const [faultMs, recoveryMs] = [after.at - from.at, performance.now() - after.at].map(Math.round);
      told.push({ fault: fault.name, faultMs, endedMeanwhile: after.ended - from.ended, recoveryMs });
    }
  }
  await ended((await endedCount()) + successes);
  const asked = await traffic.end();
  await ended(asked.length);
  console.log(JSON.stringify({ seed, seconds, told, ...traffic.counts() }, null, 1));

  expect(await faultsOf(world, asked)).toEqual([]);
}, 3_000_000);

const restart = async (engine: EngineName, by: NodeJS.Signals) => world.stack.engines[engine]?.restart(by);

const numberOf = async (from: string): Promise<number> =>
  (await world.superuser.query<{ n: number }>(`select count(*)::int as n from ${from}`)).rows[0]?.n ?? 0;

/** Asks on while Postgres is away. */
const endedCount = (): Promise<number> => vi.waitFor(() => numberOf("runs where ended_at is not null"), patience);

const ended = (count: number) =>
  vi.waitFor(async () => expect(await endedCount()).toBeGreaterThanOrEqual(count), patience);
