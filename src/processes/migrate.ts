import { readEnvironment } from "../config/environment.ts";
import { ensureTopics } from "../drivers/kafka/ensure-topics.ts";
import { migrateDatabase } from "../drivers/postgres/migrate.ts";
import { createS3 } from "../drivers/s3/s3.ts";
import { quarantineTopic, requestTopic, runEventTopic } from "../runs/outbox/topics.ts";
import { createLog } from "../telemetry/log.ts";
import { s3OptionsOf } from "./s3-options.ts";

/** Creates or updates database, topics and bucket for this version, then ends. Safe to repeat, and to run twice at once. */
export async function main(environment: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  const config = readEnvironment("migrate", environment);
  const log = createLog("migrate", config.AUTOMATION_LOG_LEVEL);
  const s3 = createS3(s3OptionsOf(config));
  try {
    await Promise.all([
      migrateDatabase({
        adminUrl: config.AUTOMATION_POSTGRES_ADMIN_URL,
        passwords: {
          migrate: config.AUTOMATION_POSTGRES_MIGRATE_PASSWORD,
          api: config.AUTOMATION_POSTGRES_API_PASSWORD,
          dispatcher: config.AUTOMATION_POSTGRES_DISPATCHER_PASSWORD,
          relay: config.AUTOMATION_POSTGRES_RELAY_PASSWORD,
        },
        log: (line) => log.info(line),
      }),
      ensureTopics(
        config.AUTOMATION_KAFKA_BROKERS,
        [
          { topic: requestTopic, partitions: 12 },
          { topic: runEventTopic, partitions: 12 },
          { topic: quarantineTopic, partitions: 3, atLeast: { "max.message.bytes": 2 * 1024 * 1024 } },
        ],
        -1, // the cluster's default
      ),
      s3.ensureBucket(signal),
    ]);
  } finally {
    s3.close();
  }
}
