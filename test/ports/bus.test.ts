import { Admin } from "@platformatic/kafka";
import { ensureTopics } from "../../src/drivers/kafka/ensure-topics.ts";
import { createKafkaSink } from "../../src/drivers/kafka/kafka-sink.ts";
import { createKafkaSource } from "../../src/drivers/kafka/kafka-source.ts";
import { startEngines } from "../support/engines/engines.ts";
import type { StartedBus } from "./bus-suite.ts";
import { describeBus } from "./bus-suite.ts";

describeBus("kafka", startKafkaBus);

async function startKafkaBus(): Promise<StartedBus> {
  const { kafka, stop } = await startEngines({ kafka: true });
  const { brokers } = kafka;
  const admin = new Admin({ bootstrapBrokers: brokers, clientId: "test" });
  return {
    openSource: (options) => createKafkaSource({ ...options, brokers, cluster: "test", clientId: "test" }),
    openSink: () => createKafkaSink({ brokers, clientId: "test" }),
    makeTopic: (topic) => ensureTopics(brokers, [{ topic, partitions: 4 }], 1),
    deleteTopic: async (topic) => void (await admin.deleteTopics({ topics: [topic] })),
    memberProcess: (topic, group) => [
      process.execPath,
      new URL("kafka-member.ts", import.meta.url).pathname,
      brokers.join(),
      topic,
      group,
    ],
    freeze: () => void process.kill(kafka.engine.pid, "SIGSTOP"),
    thaw: () => void process.kill(kafka.engine.pid, "SIGCONT"),
    stop: async () => {
      await admin.close();
      await stop();
    },
  };
}
