import type { Admin } from "kafkajs";
import kafkajs, { Kafka, logLevel } from "kafkajs";

export interface TopicWish {
  readonly topic: string;
  readonly partitions: number;
  /** Topic configuration beside the broker's own; a number is the least that will do. */
  readonly config?: Readonly<Record<string, string>>;
}

/** A topic was there before, and is not set up as this version needs it. */
export class TopicConfigError extends Error {
  override readonly name = "TopicConfigError";
  readonly code = "topic_config";
  constructor(topic: string, setting: string, value: string, wanted: string) {
    super(
      `topic ${topic} has ${setting}=${value} and needs ${wanted}; set it with \`kafka-configs.sh --alter --topic ${topic} --add-config ${setting}=${wanted}\``,
    );
  }
}

/** Creates the topics that are missing; one that is there is left as it is. @throws TopicConfigError when that will not do */
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
    for (const wish of wishes) await checkConfig(admin, wish);
  } finally {
    await admin.disconnect();
  }
}

async function checkConfig(admin: Admin, { topic, config = {} }: TopicWish): Promise<void> {
  const configNames = Object.keys(config);
  if (configNames.length === 0) return;
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames }],
  });
  for (const { configName, configValue } of resources.flatMap(({ configEntries }) => configEntries)) {
    const wanted = config[configName] ?? "";
    if (configValue !== wanted && !(Number(configValue) >= Number(wanted)))
      throw new TopicConfigError(topic, configName, configValue, wanted);
  }
}
