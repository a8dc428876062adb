import { jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import type { NatsServers } from "./connect-nats.ts";
import { connectNats } from "./connect-nats.ts";

/** Within which a message that is sent again is known by its id, milliseconds. */
const duplicateWindowMs = 120_000;

/** What is quarantined is kept whole, with what is said about it: as much as the topics of Kafka take. */
const leastPayloadBytes = 2 * 1024 * 1024;

/** The servers take smaller messages than we publish. */
class SmallPayloadError extends Error {
  override readonly name = "SmallPayloadError";
  readonly code = "small_payload";
  constructor(bytes: number) {
    super(
      `max_payload ${bytes} of NATS is below ${leastPayloadBytes}: what is quarantined could not be published; set max_payload to 2MB in the configuration of its servers`,
    );
  }
}

/**
 * Makes a stream of each topic that no stream has, with the topic as its subject; names of streams can't have dots.
 * @throws SmallPayloadError, errors of the client
 */
export async function ensureStreams(servers: NatsServers, topics: readonly string[], replicas: number): Promise<void> {
  const connection = await connectNats(servers, false);
  try {
    const { max_payload: payloadBytes = 0 } = connection.info ?? {};
    if (payloadBytes < leastPayloadBytes) throw new SmallPayloadError(payloadBytes);
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
