import { createNatsSource } from "../../src/drivers/nats/nats-source.ts";

/** A member of a group that dies: it acknowledges one batch, takes the next and stands still. */
const [server = "", topic = "", group = ""] = process.argv.slice(2);
let batches = 0;
const source = createNatsSource({
  servers: [server],
  cluster: "test",
  clientId: "member",
  topic,
  group,
  batchSize: 10,
  handle: async (deliveries) => {
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
});
await source.run(new AbortController().signal);
