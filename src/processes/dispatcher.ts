import { createPumpCommands } from "../admission/pump-commands.ts";
import { readQueueSize } from "../admission/queue-size-store.ts";
import { createReconcileRuns } from "../admission/reconcile-runs.ts";
import { createReleaseRuns } from "../admission/release-runs.ts";
import { busesOf } from "../config/buses.ts";
import { readEnvironment } from "../config/environment.ts";
import { readOperator, useOperator } from "../config/operator.ts";
import { programVersion } from "../config/program-version.ts";
import { createSecretFiles } from "../config/secret-files.ts";
import { temporalTlsOf } from "../config/temporal-tls.ts";
import { createDecideByDeclarations } from "../definitions/declarations.ts";
import { assertWorkspaceRules } from "../definitions/policy/workspace-rules.ts";
import { createKafkaSource } from "../drivers/kafka/kafka-source.ts";
import { createNatsSource } from "../drivers/nats/nats-source.ts";
import { createInTransaction, isDataError } from "../drivers/postgres/in-scope.ts";
import { createListener } from "../drivers/postgres/listener.ts";
import { createNotifier } from "../drivers/postgres/notifier.ts";
import { ensureRunEventPartitions } from "../drivers/postgres/partitions.ts";
import { createPool } from "../drivers/postgres/pool.ts";
import { dropExpired } from "../drivers/postgres/retention.ts";
import { createTemporal } from "../drivers/temporal/workflow-client.ts";
import { createLoop } from "../loops/loop.ts";
import { createAcceptRequests } from "../requests/accept-requests.ts";
import type { Delivery } from "../requests/delivery.ts";
import { requestGroup, requestTopic } from "../runs/outbox/topics.ts";
import { deliveriesQuarantined, secretUnusable } from "../telemetry/events.ts";
import { serveHealth } from "../telemetry/health.ts";
import { createLog } from "../telemetry/log.ts";
import { observeConfig, observePools } from "../telemetry/metrics/process-metrics.ts";
import { observeQueue } from "../telemetry/metrics/queue-metrics.ts";
import { groupRejoined, measureBatch, observeLag, topicPaused } from "../telemetry/metrics/request-metrics.ts";
import { observeSecrets } from "../telemetry/metrics/secret-metrics.ts";
import { createPatience } from "../telemetry/patience.ts";
import { startTelemetry } from "../telemetry/start-telemetry.ts";
import { remedyOfConnection } from "../telemetry/tls-remedy.ts";
import { databaseLoginOf } from "./database-login.ts";
import { warnOfTopicRetention } from "./topic-retention.ts";

/** Most requests of one transaction. */
export const requestBatchSize = 500;
const partitionUpkeepMs = 3_600_000;

/**
 * Four loops: bus → rows (accept), queue → Temporal (release), commands → signals (pump), runs without progress → findings for the api (reconcile).
 * Without Temporal all but accept pause; without Postgres all pause, and nothing is lost.
 */
export async function main(environment: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  const config = readEnvironment("dispatcher", environment);
  const operator = readOperator(config.AUTOMATION_OPERATOR_FILE);
  useOperator(config.AUTOMATION_OPERATOR_FILE, () => assertWorkspaceRules(operator.workspaces));
  const log = createLog("dispatcher", config.AUTOMATION_LOG_LEVEL);
  const telemetry = startTelemetry("dispatcher", programVersion(), config, log);
  const onError = (error: Error) => log.warn({ err: error }, "a database connection failed");
  const secrets = createSecretFiles((name, why) => secretUnusable(log, name, why));
  const login = databaseLoginOf(config, secrets);
  const pool = createPool({ ...login, applicationName: "automation-dispatcher", max: 12, onError });
  const inTransaction = createInTransaction(pool);
  const now = () => new Date();
  const temporal = createTemporal({
    address: config.AUTOMATION_TEMPORAL_ADDRESS,
    namespace: config.AUTOMATION_TEMPORAL_NAMESPACE,
    tls: temporalTlsOf(config),
  });
  const notifier = createNotifier({ ...login, applicationName: "automation-dispatcher-notify", onError });
  const weights = new Map(Object.entries(operator.runs.weights));
  const release = createReleaseRuns({
    inTransaction,
    workflows: temporal,
    maxUnbegun: config.AUTOMATION_RELEASE_MAX_UNBEGUN,
    weightOf: (tenant) => weights.get(tenant) ?? 1,
    onAdmitted: (runs) => {
      notifier.hint("automation_outbox");
      for (const { tenant, runId } of runs) notifier.hint("automation_run_events", `${tenant}/${runId}`);
    },
    now,
    refusedSeconds: 10 * config.AUTOMATION_RECONCILE_AFTER_SECONDS, // what is wrong may be Temporal's set-up, which people mend
    log,
  });
  const reconcile = createReconcileRuns({
    inTransaction,
    workflows: temporal,
    afterSeconds: config.AUTOMATION_RECONCILE_AFTER_SECONDS,
    maxUnbegun: config.AUTOMATION_RELEASE_MAX_UNBEGUN,
    log,
  });
  const pump = createPumpCommands({ inTransaction, workflows: temporal, log });
  const listener = createListener({
    ...login,
    applicationName: "automation-dispatcher-listen",
    channels: ["automation_release", "automation_commands"],
    onHint: (channel) => (channel === "automation_release" ? release.wake() : pump.wake()),
    onError,
  });
  const buses = busesOf(config, secrets);
  for (const { bus, source } of operator.sources)
    if (buses[bus] === undefined)
      log.warn(
        { bus, source },
        "a source of the operator file is bound on a bus that this process is not told of: set its addresses, or remove the binding",
      );
  const accept = createAcceptRequests({
    inTransaction,
    decideByDeclarations: createDecideByDeclarations(),
    bindings: operator.sources,
    operator: { knownRoles: operator.roles, workspaces: operator.workspaces, runs: operator.runs },
    isDataError,
    onDefect: (error, position) => log.error({ err: error, position }, "the rules failed on a delivery"),
    now,
  });
  const sourceOptions = (bus: string, name: string) => ({
    clientId: "automation-dispatcher",
    group: requestGroup,
    topic: requestTopic,
    batchSize: requestBatchSize,
    handle: async (deliveries: readonly Delivery[]) => {
      const counts = await measureBatch(bus, () => accept(deliveries));
      if (counts.accepted > 0) release.wake();
      notifier.hint("automation_outbox");
      if (counts.quarantined > 0) deliveriesQuarantined(log, counts.quarantined);
      log.debug({ counts }, "deliveries have their dispositions");
    },
    canGoOn: () =>
      ensureRunEventPartitions(pool).then(
        () => true,
        () => false,
      ),
    onPause: (error: unknown) => {
      topicPaused();
      log.warn({ err: error, bus }, "the request topic pauses until Postgres takes rows again");
    },
    onRejoin: (error: unknown) => {
      groupRejoined();
      log.warn(
        { err: error, remedy: remedyOfConnection(error) },
        `${name} ended the membership; joining the group again`,
      );
    },
    now,
  });
  const { kafka, nats } = buses;
  const sourceOf = {
    ...(kafka && { kafka: createKafkaSource({ ...kafka, ...sourceOptions("kafka", "Kafka") }) }),
    ...(nats && { nats: createNatsSource({ ...nats, ...sourceOptions("nats", "NATS") }) }),
  };
  const sources = Object.values(sourceOf);
  observePools(pool);
  observeConfig(telemetry.name, operator);
  observeLag(Object.fromEntries(Object.entries(sourceOf).map(([bus, { lagSeconds }]) => [bus, lagSeconds])));
  observeSecrets(secrets.states, now);
  observeQueue(() => inTransaction(readQueueSize), config.AUTOMATION_RELEASE_MAX_UNBEGUN);
  await ensureRunEventPartitions(pool);
  const partitions = createLoop({
    sweepMs: partitionUpkeepMs,
    round: async () => {
      await ensureRunEventPartitions(pool);
      return false;
    },
    onError: (error) => log.warn({ err: error }, "partitions of run events can't be made; trying again"),
  });
  const retention = createLoop({
    sweepMs: partitionUpkeepMs,
    round: () => dropExpired(pool, operator.retention),
    onError: (error) => log.warn({ err: error }, "what is older than its retention can't be dropped; trying again"),
  });
  void warnOfTopicRetention(buses, operator.retention, "automation-dispatcher", log);
  const patience = () => createPatience(1_000 * config.AUTOMATION_STANDSTILL_SECONDS, () => performance.now());
  const [accepting, queue, reconciler] = [patience(), patience(), patience()];
  /** A release loop that can't go on is of no matter while nothing waits. */
  const queueStanding = async (): Promise<true | string> => {
    if (reconcile.isReleaseStuck()) return "no workflow of those started begins; is a control worker there?";
    const standing = release.standing();
    if (standing === true) return true;
    const waiting = await inTransaction(readQueueSize).then(
      (size) => size.waiting,
      () => 1,
    );
    return waiting === 0 || standing;
  };
  const health = await serveHealth({
    address: config.AUTOMATION_HEALTH_ADDRESS,
    telemetry,
    check: async () => ({
      accept: accepting(sources.map((source) => source.standing()).find((standing) => standing !== true) ?? true),
      queue: queue(await queueStanding()),
      reconciler: reconciler(reconcile.standing()),
    }),
  });
  const stopping = new AbortController();
  const ending = AbortSignal.any([signal, stopping.signal]);
  const loops = [
    release.run(ending),
    pump.run(ending),
    reconcile.run(ending),
    partitions.run(ending),
    retention.run(ending),
  ];
  try {
    const ended = await Promise.allSettled(
      sources.map((source) => source.run(ending).finally(() => stopping.abort())), // no source goes on without the other
    );
    for (const each of ended) if (each.status === "rejected") throw each.reason;
  } finally {
    stopping.abort();
    await Promise.allSettled(loops);
    await Promise.allSettled([listener.close(), notifier.close(), temporal.close(), health.close()]);
    await Promise.allSettled([pool.end(), telemetry.close()]);
  }
}
