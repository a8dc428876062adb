import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { BusRecord } from "../bus/kafka-producer.ts";
import { createKafkaProducer } from "../bus/kafka-producer.ts";
import { readEnvironment } from "../config/environment.ts";
import { createInTransaction } from "../postgres/in-scope.ts";
import { createListener } from "../postgres/listener.ts";
import { createPool } from "../postgres/pool.ts";
import { createPublishRunEvents } from "../runs/publish-run-events.ts";
import { serveHealth } from "../telemetry/health.ts";
import type { Log } from "../telemetry/log.ts";
import { createLog } from "../telemetry/log.ts";

const applicationName = "automation-relay";
const connectAgainAfterMs = 1_000;

/** Publishes run events and records to the bus until the signal aborts; whatever is away is waited for. */
export async function main(source: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  const environment = readEnvironment("relay", source);
  const log = createLog("relay", environment.AUTOMATION_LOG_LEVEL);
  const url = environment.AUTOMATION_POSTGRES_URL;
  const onError = (error: Error) => log.warn({ err: error }, "Postgres: a connection was lost");
  const pool = createPool({ url, applicationName, max: 8, onError });
  const bus = createBus(environment.AUTOMATION_KAFKA_BROKERS, log);
  const health = await serveHealth({
    address: environment.AUTOMATION_HEALTH_ADDRESS,
    check: async () => ({
      postgres: await pool.query("select 1").then(
        () => true,
        () => false,
      ),
      kafka: bus.healthy(),
    }),
  });
  try {
    if (!(await bus.connected(signal))) return;
    const publish = createPublishRunEvents({
      inTransaction: createInTransaction(pool),
      send: bus.send,
      owner: `relay-${randomUUID()}`,
      log,
    });
    const listener = createListener({
      url,
      applicationName,
      channels: ["automation_outbox"],
      onHint: () => publish.wake(),
      onError,
    });
    try {
      await publish.run(signal);
    } finally {
      await listener.close();
    }
  } finally {
    await Promise.allSettled([bus.close(), pool.end(), health.close()]);
  }
}

/** The bus by a producer that is replaced when it has failed: what the broker remembers of an idempotent one may refuse every later send. */
function createBus(brokers: readonly string[], log: Log) {
  const open = () => {
    const producer = createKafkaProducer({ brokers, clientId: applicationName });
    const connecting = producer.connect();
    connecting.catch(() => undefined); // whoever sends is told
    return { producer, connecting };
  };
  let current = open();
  const replace = (failed: typeof current): void => {
    if (current !== failed) return;
    current = open();
    failed.producer.close().catch(() => undefined);
  };
  return {
    healthy: () => current.producer.healthy(),
    close: () => current.producer.close(),
    async send(topic: string, records: readonly BusRecord[]): Promise<void> {
      const used = current;
      try {
        await used.connecting;
        await used.producer.send(topic, records);
      } catch (error) {
        replace(used);
        throw error;
      }
    },
    /** @returns false when the signal aborts before the bus answers */
    async connected(signal: AbortSignal): Promise<boolean> {
      for (let isTold = false; !signal.aborted; isTold = true) {
        const used = current;
        try {
          await used.connecting;
          return true;
        } catch (error) {
          if (!isTold) log.warn({ err: error }, "Kafka does not answer; trying on");
          replace(used);
          await sleep(connectAgainAfterMs, undefined, { signal }).catch(() => undefined);
        }
      }
      return false;
    },
  };
}
