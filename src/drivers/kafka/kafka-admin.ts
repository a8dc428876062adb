import { Admin, ConfigResourceTypes, findErrorBy } from "@platformatic/kafka";
import { clientOptions } from "./client-options.ts";

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

/** A new topic has its leaders within a second or two. */
const leadersWithin = { retries: 40, retryDelay: 250 };

/** Creates the topics that are missing; one that is there is left as it is. @throws TopicConfigError when that will not do */
export async function ensureTopics(
  brokers: readonly string[],
  wishes: readonly TopicWish[],
  replicationFactor: number,
): Promise<void> {
  const admin = new Admin({ ...clientOptions(brokers, "automation-migrate"), ...leadersWithin });
  try {
    for (const { topic, partitions, config = {} } of wishes) {
      const configs = Object.entries(config).map(([name, value]) => ({ name, value }));
      await admin
        .createTopics({ topics: [topic], partitions, replicas: replicationFactor, configs })
        .catch((error: Error) => {
          if (!findErrorBy(error, "apiId", "TOPIC_ALREADY_EXISTS")) throw error;
        });
    }
    await admin.metadata({ topics: wishes.map(({ topic }) => topic), forceUpdate: true });
    for (const wish of wishes) await checkConfig(admin, wish);
  } finally {
    await admin.close();
  }
}

async function checkConfig(admin: Admin, { topic, config = {} }: TopicWish): Promise<void> {
  const configurationKeys = Object.keys(config);
  if (configurationKeys.length === 0) return;
  const described = await admin.describeConfigs({
    resources: [{ resourceType: ConfigResourceTypes.TOPIC, resourceName: topic, configurationKeys }],
  });
  for (const { name, value } of described.flatMap(({ configs }) => configs)) {
    const wanted = config[name] ?? "";
    if (value !== wanted && !(Number(value) >= Number(wanted)))
      throw new TopicConfigError(topic, name, value ?? "", wanted);
  }
}
