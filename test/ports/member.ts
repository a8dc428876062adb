import { createKafkaSource } from "../../src/drivers/kafka/kafka-source.ts";
import { createNatsSource } from "../../src/drivers/nats/nats-source.ts";
import type { Delivery } from "../../src/requests/delivery.ts";

/** A member of a group that dies: it acknowledges one batch, takes the next and stands still. */
const [bus = "", address = "", topic = "", group = ""] = process.argv.slice(2);
let batches = 0;
const options = {
  cluster: "test",
  clientId: "member",
  topic,
  group,
  batchSize: 10,
  handle: async (deliveries: readonly Delivery[]) => {
    batches += 1;
    for (const { body } of deliveries) console.log(Buffer.from(body ?? []).toString());
    if (batches > 1) {
      console.log("standing still");
      await new Promise(() => undefined);
    }
    console.log("acknowledged");
  },
  canGoOn: async () => true,
  onPause: () => undefined,
  onRejoin: () => undefined,
  now: () => new Date(),
};
const source =
  bus === "kafka"
    ? createKafkaSource({ ...options, brokers: [address] })
    : createNatsSource({ ...options, servers: [address] });
await source.run(new AbortController().signal);
