import { Admin, ConfigResourceTypes, findErrorBy } from "@platformatic/kafka";
import type { KafkaConnection } from "./client-options.ts";
import { clientOptions } from "./client-options.ts";

export interface TopicWish {
  readonly topic: string;
  readonly partitions: number;
  /** Topic settings that differ from the broker's own: the least value that is enough. */
  readonly atLeast?: Readonly<Record<string, number>>;
}

/** A topic that existed before does not have the settings that this version needs. */
export class TopicConfigError extends Error {
  override readonly name = "TopicConfigError";
  readonly code = "topic_config";
  constructor(topic: string, setting: string, value: string, wanted: number) {
    super(
      `topic ${topic} has ${setting}=${value} and needs at least ${wanted}; set it with \`kafka-configs.sh --alter --topic ${topic} --add-config ${setting}=${wanted}\``,
    );
  }
}

/** A new topic has its leaders within a second or two. */
const leadersWithin = { retries: 40, retryDelay: 250 };

/** Creates the topics that are missing and leaves the others as they are. @throws TopicConfigError when one of those is not enough */
export async function ensureTopics(
  brokers: readonly string[],
  wishes: readonly TopicWish[],
  replicationFactor: number,
  security?: KafkaConnection["security"],
): Promise<void> {
  const admin = new Admin({
    ...clientOptions({ brokers, clientId: "automation-migrate", ...(security && { security }) }),
    ...leadersWithin,
  });
  try {
    for (const { topic, partitions, atLeast = {} } of wishes) {
      const configs = Object.entries(atLeast).map(([name, value]) => ({ name, value: String(value) }));
      await admin
        .createTopics({ topics: [topic], partitions, replicas: replicationFactor, configs })
        .catch((error: Error) => {
          if (!findErrorBy(error, "apiId", "TOPIC_ALREADY_EXISTS")) throw error;
        });
    }
    await admin.metadata({ topics: wishes.map(({ topic }) => topic), forceUpdate: true });
    for (const wish of wishes) await checkSettings(admin, wish);
  } finally {
    await admin.close();
  }
}

async function checkSettings(admin: Admin, { topic, atLeast = {} }: TopicWish): Promise<void> {
  const configurationKeys = Object.keys(atLeast);
  if (configurationKeys.length === 0) return;
  const described = await admin.describeConfigs({
    resources: [{ resourceType: ConfigResourceTypes.TOPIC, resourceName: topic, configurationKeys }],
  });
  for (const { name, value } of described.flatMap(({ configs }) => configs)) {
    const wanted = atLeast[name] ?? 0;
    if (!(Number(value) >= wanted)) throw new TopicConfigError(topic, name, value ?? "", wanted);
  }
}
