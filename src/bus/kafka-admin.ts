import { Kafka, logLevel } from "kafkajs";

export interface TopicWish {
  readonly topic: string;
  readonly partitions: number;
  /** Topic configuration beside the broker's own. */
  readonly config?: Readonly<Record<string, string>>;
}

/** Creates the topics that are missing; one that is there is left as it is. */
export async function ensureTopics(
  brokers: readonly string[],
  wishes: readonly TopicWish[],
  replicationFactor: number,
): Promise<void> {
  const admin = new Kafka({
    brokers: [...brokers],
    clientId: "automation-migrate",
    logLevel: logLevel.NOTHING,
  }).admin();
  await admin.connect();
  try {
    await admin.createTopics({
      waitForLeaders: true,
      topics: wishes.map(({ topic, partitions, config = {} }) => ({
        topic,
        numPartitions: partitions,
        replicationFactor,
        configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
      })),
    });
  } finally {
    await admin.disconnect();
  }
}
