import { existsSync } from "node:fs";
import { join } from "node:path";
import { busesOf } from "../config/buses.ts";
import { readEnvironment } from "../config/environment.ts";
import { createSecretFiles } from "../config/secret-files.ts";
import { ensureTopics } from "../drivers/kafka/ensure-topics.ts";
import { ensureStreams } from "../drivers/nats/ensure-streams.ts";
import type { Role } from "../drivers/postgres/migrate.ts";
import { migrateDatabase } from "../drivers/postgres/migrate.ts";
import { createS3 } from "../drivers/s3/s3.ts";
import { governanceTopic, quarantineTopic, requestTopic, runEventTopic } from "../runs/outbox/topics.ts";
import { secretUnusable } from "../telemetry/events.ts";
import { createLog } from "../telemetry/log.ts";
import { databaseLoginOf, passwordsIn } from "./database-login.ts";
import { s3OptionsOf } from "./s3-options.ts";

/** Creates or updates database, topics or streams, and bucket for this version, then ends. Safe to repeat, and to run twice at once. */
export async function main(environment: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  const config = readEnvironment("migrate", environment);
  const log = createLog("migrate", config.AUTOMATION_LOG_LEVEL);
  const secrets = createSecretFiles((name, why) => secretUnusable(log, name, why));
  const fileOf = (role: Role) => join(config.AUTOMATION_POSTGRES_PASSWORDS_DIR, role);
  const passwordOf = (role: Role): string => {
    const [password = ""] = secrets.open(`database-${role}`, [fileOf(role)], passwordsIn)();
    return password;
  };
  const admin = databaseLoginOf(
    {
      AUTOMATION_POSTGRES_URL: config.AUTOMATION_POSTGRES_ADMIN_URL,
      AUTOMATION_POSTGRES_PASSWORD_FILE: config.AUTOMATION_POSTGRES_ADMIN_PASSWORD_FILE,
    },
    secrets,
  );
  const { kafka, nats } = busesOf(config, secrets);
  const s3 = createS3(s3OptionsOf(config, secrets));
  try {
    await Promise.all([
      migrateDatabase({
        admin,
        passwords: {
          migrate: passwordOf("migrate"),
          api: passwordOf("api"),
          dispatcher: passwordOf("dispatcher"),
          relay: passwordOf("relay"),
          check: existsSync(fileOf("check")) ? passwordOf("check") : undefined,
        },
        log: (line) => log.info(line),
      }),
      kafka &&
        ensureTopics(
          kafka.brokers,
          [
            { topic: requestTopic, partitions: 12 },
            { topic: runEventTopic, partitions: 12 },
            { topic: governanceTopic, partitions: 3 },
            { topic: quarantineTopic, partitions: 3, atLeast: { "max.message.bytes": 2 * 1024 * 1024 } },
          ],
          -1, // the cluster's default
          kafka.security,
        ),
      nats &&
        ensureStreams(
          { ...nats, clientId: "automation-migrate" },
          [requestTopic, runEventTopic, governanceTopic, quarantineTopic],
          nats.replicas,
        ),
      s3.ensureBucket(signal),
    ]);
  } finally {
    s3.close();
  }
}
