import { jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import type { NatsServers } from "./connect-nats.ts";
import { connectNats } from "./connect-nats.ts";

/** Within which a message that is sent again is known by its id, milliseconds. */
const duplicateWindowMs = 120_000;

/** Makes a stream of each topic that no stream has, with the topic as its subject; names of streams can't have dots. */
export async function ensureStreams(servers: NatsServers, topics: readonly string[], replicas: number): Promise<void> {
  const connection = await connectNats(servers, false);
  try {
    const manager = await jetstreamManager(connection);
    for (const topic of topics) {
      const there = await manager.streams.find(topic).catch(() => undefined);
      if (there !== undefined) continue;
      await manager.streams.add({
        name: topic.replaceAll(".", "-"),
        subjects: [topic],
        retention: RetentionPolicy.Limits,
        storage: StorageType.File,
        num_replicas: replicas,
        duplicate_window: nanos(duplicateWindowMs),
      });
    }
  } finally {
    await connection.close();
  }
}
