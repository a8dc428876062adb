import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { busesOf } from "../config/buses.ts";
import { readEnvironment } from "../config/environment.ts";
import { programVersion } from "../config/program-version.ts";
import { createSecretFiles } from "../config/secret-files.ts";
import { createInTransaction, createSingleStatements } from "../drivers/postgres/in-scope.ts";
import { createListener } from "../drivers/postgres/listener.ts";
import { createPool } from "../drivers/postgres/pool.ts";
import type { Loop } from "../loops/loop.ts";
import type { RecordSink } from "../runs/outbox/bus-record.ts";
import { readOutboxSize } from "../runs/outbox/outbox-size-store.ts";
import { createPublishRunEvents } from "../runs/outbox/publish-run-events.ts";
import { secretUnusable } from "../telemetry/events.ts";
import { serveHealth } from "../telemetry/health.ts";
import type { Log } from "../telemetry/log.ts";
import { createLog } from "../telemetry/log.ts";
import { observeOutbox } from "../telemetry/metrics/outbox-metrics.ts";
import { observePools } from "../telemetry/metrics/process-metrics.ts";
import { observeSecrets } from "../telemetry/metrics/secret-metrics.ts";
import { createPatience } from "../telemetry/patience.ts";
import { startTelemetry } from "../telemetry/start-telemetry.ts";
import { remedyOfConnection } from "../telemetry/tls-remedy.ts";
import { databaseLoginOf } from "./database-login.ts";
import { eventSinkOf } from "./event-sink.ts";

const applicationName = "automation-relay";
const connectAgainAfterMs = 1_000;

/** Publishes run events and records to the bus until the signal aborts; waits for the bus and Postgres while they are unavailable. */
export async function main(source: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  const environment = readEnvironment("relay", source);
  const log = createLog("relay", environment.AUTOMATION_LOG_LEVEL);
  const telemetry = startTelemetry("relay", programVersion(), environment, log);
  const secrets = createSecretFiles((name, why) => secretUnusable(log, name, why));
  const login = databaseLoginOf(environment, secrets);
  const onError = (error: Error) => log.warn({ err: error }, "Postgres: a connection was lost");
  const pool = createPool({ ...login, applicationName, max: 8, onError });
  const bus = createBus(
    eventSinkOf(busesOf(environment, secrets), environment.AUTOMATION_EVENT_BUS, applicationName),
    log,
  );
  let publish: Loop | undefined;
  const patience = createPatience(1_000 * environment.AUTOMATION_STANDSTILL_SECONDS, () => performance.now());
  const health = await serveHealth({
    address: environment.AUTOMATION_HEALTH_ADDRESS,
    telemetry,
    check: async () => ({
      outbox: patience(bus.healthy() ? (publish?.standing() ?? "it has not begun") : "the bus does not answer"),
    }),
  });
  const inTransaction = createInTransaction(pool);
  observePools(pool);
  observeSecrets(secrets.states, () => new Date());
  observeOutbox(() => inTransaction(readOutboxSize));
  try {
    if (!(await bus.connected(signal))) return;
    const publishing = createPublishRunEvents({
      inTransaction,
      statements: createSingleStatements(pool),
      openSink: bus.open,
      owner: `relay-${randomUUID()}`,
      log,
    });
    publish = publishing;
    const listener = createListener({
      ...login,
      applicationName,
      channels: ["automation_outbox"],
      onHint: () => publishing.wake(),
      onError,
    });
    try {
      await publishing.run(signal);
    } finally {
      await listener.close();
    }
  } finally {
    await Promise.allSettled([bus.close(), pool.end(), health.close(), telemetry.close()]);
  }
}

/** Opens sinks one by one and tells their health as one. */
function createBus(newSink: () => RecordSink, log: Log) {
  const sinks = new Set<RecordSink>();
  let isConnected = false;
  const open = (): RecordSink => {
    const sink = newSink();
    const close = async (): Promise<void> => {
      sinks.delete(sink);
      await sink.close();
    };
    sinks.add(sink);
    return { ...sink, close };
  };
  return {
    open,
    healthy: () => isConnected && [...sinks].every((sink) => sink.healthy()),
    close: () => Promise.all([...sinks].map((sink) => sink.close())),
    /** @returns false when the signal aborts before the bus answers */
    async connected(signal: AbortSignal): Promise<boolean> {
      const probe = open();
      signal.addEventListener("abort", probe.close, { once: true });
      for (let isTold = false; !signal.aborted && !isConnected; isTold = true) {
        try {
          await probe.connect();
          isConnected = true;
        } catch (error) {
          if (!isTold)
            log.warn({ err: error, remedy: remedyOfConnection(error) }, "the bus does not answer; trying on");
          await sleep(connectAgainAfterMs, undefined, { signal }).catch(() => undefined);
        }
      }
      await probe.close();
      return isConnected;
    },
  };
}
