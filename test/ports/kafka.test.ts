import { Admin } from "@platformatic/kafka";
import { ensureTopics } from "../../src/drivers/kafka/ensure-topics.ts";
import { createKafkaSink } from "../../src/drivers/kafka/kafka-sink.ts";
import { createKafkaSource } from "../../src/drivers/kafka/kafka-source.ts";
import { startEngines } from "../support/engines/engines.ts";
import { freeze } from "../support/engines/freeze.ts";
import type { StartedBus } from "./bus-suite.ts";
import { describeBus } from "./bus-suite.ts";

describeBus("kafka", { hasParts: true }, startKafkaBus);

async function startKafkaBus(): Promise<StartedBus> {
  const { kafka, stop } = await startEngines({ kafka: true });
  const { brokers } = kafka;
  const admin = new Admin({ bootstrapBrokers: brokers, clientId: "test" });
  return {
    openSource: (options) => createKafkaSource({ ...options, brokers, cluster: "test", clientId: "test" }),
    openSink: () => createKafkaSink({ brokers, clientId: "test" }),
    faithful: [
      {
        key: "ü",
        headers: [
          ["a", Buffer.from("1")],
          ["b", Uint8Array.of(0, 255, 128)],
          ["A", Buffer.from("2")],
          ["a", Buffer.from("3")],
          ["empty", new Uint8Array()],
        ],
        body: Uint8Array.of(0, 255, 10),
      },
      { key: null, headers: [], body: Buffer.from("no key") },
      { key: "no body", headers: [], body: null },
      { key: "", headers: [], body: new Uint8Array() },
      { key: "large", headers: [], body: Buffer.alloc(900_000, "x") },
    ],
    makeTopic: (topic) => ensureTopics(brokers, [{ topic, partitions: 4 }], 1),
    deleteTopic: async (topic) => void (await admin.deleteTopics({ topics: [topic] })),
    memberProcess: (topic, group) => [
      process.execPath,
      new URL("member.ts", import.meta.url).pathname,
      "kafka",
      brokers.join(),
      topic,
      group,
    ],
    freeze: () => freeze(kafka.engine.pid),
    thaw: () => void process.kill(kafka.engine.pid, "SIGCONT"),
    stop: async () => {
      await admin.close();
      await stop();
    },
  };
}
