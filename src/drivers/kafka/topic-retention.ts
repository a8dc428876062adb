import { Admin, ConfigResourceTypes } from "@platformatic/kafka";
import type { KafkaConnection } from "./client-options.ts";
import { clientOptions } from "./client-options.ts";

/** @returns for how long a topic keeps its records, milliseconds; infinite: for ever, or by their size alone */
export async function kafkaRetentionMs(connection: KafkaConnection, topic: string): Promise<number> {
  const admin = new Admin(clientOptions(connection));
  try {
    const described = await admin.describeConfigs({
      resources: [
        { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic, configurationKeys: ["retention.ms"] },
      ],
    });
    const value = Number(described[0]?.configs.find(({ name }) => name === "retention.ms")?.value ?? -1);
    return value < 0 ? Number.POSITIVE_INFINITY : value;
  } finally {
    await admin.close();
  }
}
