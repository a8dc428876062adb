import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsServers } from "./connect-nats.ts";
import { connectNats } from "./connect-nats.ts";

/** @returns for how long the stream of a topic keeps its messages, milliseconds; infinite: for ever, or by their size alone */
export async function natsRetentionMs(servers: NatsServers, topic: string): Promise<number> {
  const connection = await connectNats(servers, false);
  try {
    const { streams } = await jetstreamManager(connection);
    const { config } = await streams.info(await streams.find(topic));
    return config.max_age === 0 ? Number.POSITIVE_INFINITY : config.max_age / 1_000_000;
  } finally {
    await connection.close();
  }
}
