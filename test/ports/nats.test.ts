import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { ensureStreams } from "../../src/drivers/nats/ensure-streams.ts";
import { createNatsSink } from "../../src/drivers/nats/nats-sink.ts";
import { createNatsSource } from "../../src/drivers/nats/nats-source.ts";
import { startEngines } from "../support/engines/engines.ts";
import { freeze } from "../support/engines/freeze.ts";
import type { StartedBus } from "./bus-suite.ts";
import { describeBus } from "./bus-suite.ts";

describeBus("nats", { hasParts: false }, startNatsBus);

async function startNatsBus(): Promise<StartedBus> {
  const { nats, stop } = await startEngines({ nats: true });
  const { servers } = nats;
  const connection = await connect({ servers });
  const { streams } = await jetstreamManager(connection);
  const clientId = "test";
  return {
    openSource: (options) => createNatsSource({ ...options, servers, clientId, cluster: "test" }),
    openSink: () => createNatsSink({ servers, clientId }),
    faithful: [
      {
        key: "ü %20",
        headers: [
          ["ce_id", Buffer.from('a b%c "é\r\n')],
          ["a", Buffer.from("1")],
          ["a", Buffer.from("3")],
          ["A", Buffer.from("2")],
          ["empty", new Uint8Array()],
        ],
        body: Uint8Array.of(0, 255, 10),
      },
      { key: null, headers: [], body: Buffer.from("no key") },
      { key: "no body", headers: [], body: null },
      { key: "large", headers: [], body: Buffer.alloc(900_000, "x") },
    ],
    makeTopic: (topic) => ensureStreams({ servers, clientId }, [topic], 1),
    deleteTopic: async (topic) => void (await streams.delete(await streams.find(topic))),
    memberProcess: (topic, group) => [
      process.execPath,
      new URL("member.ts", import.meta.url).pathname,
      "nats",
      servers.join(),
      topic,
      group,
    ],
    freeze: () => freeze(nats.engine.pid),
    thaw: () => void process.kill(nats.engine.pid, "SIGCONT"),
    stop: async () => {
      await connection.close();
      await stop();
    },
  };
}
