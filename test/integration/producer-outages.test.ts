import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ensureTopics } from "../../src/drivers/kafka/ensure-topics.ts";
import { createKafkaSink } from "../../src/drivers/kafka/kafka-sink.ts";
import type { RecordSink } from "../../src/runs/outbox/bus-record.ts";
import { textHeaders } from "../../src/runs/outbox/bus-record.ts";
import type { TestEngines } from "../support/engines/engines.ts";
import { startEngines } from "../support/engines/engines.ts";
import { readTopic } from "../support/probes/invariants.ts";

const topic = "acknowledged";
let engines: TestEngines;
let sink: RecordSink;

beforeAll(async () => {
  engines = await startEngines({ kafka: true });
  await ensureTopics(engines.kafka.brokers, [{ topic, partitions: 3 }], 1);
  sink = createKafkaSink({ brokers: engines.kafka.brokers, clientId: "test" });
});
afterAll(async () => {
  await sink?.close();
  await engines?.stop();
});

/** Keyed by the letter, so that each letter has a partition and an order of its own. */
const recordOf = (id: string) => ({ key: id.slice(0, 1), body: Buffer.from(id), headers: textHeaders({ ce_id: id }) });

/** Sends until it is acknowledged, as the relay does. */
async function acknowledged(id: string): Promise<void> {
  for (;;) {
    const refused = await sink.send(topic, [recordOf(id)]).then(
      () => false,
      () => true,
    );
    if (!refused) return;
  }
}

async function whileFrozen(seconds: number, work: () => Promise<unknown>[]): Promise<void> {
  process.kill(engines.kafka.engine.pid, "SIGSTOP");
  const working = work();
  await new Promise((done) => setTimeout(done, seconds * 1_000)); // the outage itself
  process.kill(engines.kafka.engine.pid, "SIGCONT");
  await Promise.all(working);
}

/** Ids as the topic has them, per key, without repetitions. */
async function onTopic(): Promise<Map<string, string[]>> {
  const messages = await readTopic(engines.kafka, topic, AbortSignal.timeout(30_000));
  const byKey = Map.groupBy(messages, ({ key }) => key);
  return new Map([...byKey].map(([key, list]) => [key, [...new Set(list.map(({ value }) => value))]]));
}

describe("what the bus has acknowledged is there, in the order of its key", () => {
  it("after the broker stood still for 11 s, three times, under concurrent sends", async () => {
    const sent = new Map<string, string[]>(["A", "B", "C"].map((letter) => [letter, []]));
    const send = (letter: string, n: number) => {
      const id = `${letter}${n}`;
      sent.get(letter)?.push(id);
      return acknowledged(id);
    };
    for (let round = 0; round < 3; round += 1) {
      await send("A", round * 10);
      await whileFrozen(11, () => ["A", "B", "C", "A", "B", "C"].map((letter, n) => send(letter, round * 10 + 1 + n)));
      await send("C", round * 10 + 9);
    }
    expect(await onTopic()).toEqual(sent);
  }, 180_000);

  it("after it stood still for longer than a send is repeated, so that the sink was replaced", async () => {
    const failures = vi.fn();
    await whileFrozen(45, () => [
      sink.send(topic, [recordOf("D1")]).catch(async (error: unknown) => {
        failures(error);
        await acknowledged("D1");
      }),
    ]);
    await acknowledged("D2");
    expect(failures).toHaveBeenCalledOnce();
    expect(sink.healthy()).toBe(true);
    expect((await onTopic()).get("D")).toEqual(["D1", "D2"]);
  }, 180_000);
});
