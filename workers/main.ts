import { setTimeout as sleep } from "node:timers/promises";
import { NativeConnection, Runtime } from "@temporalio/worker";
import { createApiClient } from "../src/client/api-client.ts";
import { readEnvironment } from "../src/config/environment.ts";
import { serveHealth } from "../src/telemetry/health.ts";
import type { Log } from "../src/telemetry/log.ts";
import { createLog } from "../src/telemetry/log.ts";
import { createControlActivities } from "./automation/activities/control-activities.ts";
import { createTokenFile } from "./automation/activities/token-file.ts";
import { bundleWorkflows, createControlWorker } from "./automation/control-worker.ts";
import { createTemporalLogger } from "./temporal-logger.ts";

const connectLimitMs = 3_000;
const connectAgainAfterMs = 1_000;
const lookLimitMs = 1_000;

/**
 * Runs a worker until the signal aborts, then lets it finish what it holds, for at most 8 s.
 * Temporal away at the start is waited for; away later, the SDK reconnects.
 * @param kind - `control`: workflow tasks and api calls
 * @throws when the worker can't go on: the process shall end and be started anew
 */
export async function main(kind: "control", source: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  const environment = readEnvironment("worker", source);
  const log = createLog(`worker-${kind}`, environment.AUTOMATION_LOG_LEVEL);
  const logger = createTemporalLogger(log);
  Runtime.install({
    logger,
    telemetryOptions: { logging: { filter: { core: "WARN", other: "ERROR" }, forward: {} } },
    shutdownSignals: [], // the caller's signal says when
  });
  let connection: NativeConnection | undefined;
  let isPolling = false;
  const health = await serveHealth({
    address: environment.AUTOMATION_HEALTH_ADDRESS,
    check: async () => ({
      temporal: isPolling && (await isReachable(connection)),
      api: await isApiThere(environment.AUTOMATION_API_URL),
    }),
  });
  try {
    const bundling = bundleWorkflows(logger);
    [connection] = await Promise.all([connect(environment.AUTOMATION_TEMPORAL_ADDRESS, log, signal), bundling]);
    if (connection === undefined) return;
    const token = createTokenFile(environment.AUTOMATION_TOKEN_FILE);
    const apiUrl = environment.AUTOMATION_API_URL;
    const worker = await createControlWorker({
      connection,
      namespace: environment.AUTOMATION_TEMPORAL_NAMESPACE,
      activities: createControlActivities({
        apiFor: ({ tenant, org }) => createApiClient({ apiUrl, token, tenant, org }),
      }),
      workflowBundle: await bundling,
    });
    const drain = () => worker.shutdown();
    if (signal.aborted) return;
    signal.addEventListener("abort", drain, { once: true });
    isPolling = true;
    log.info("worker is polling");
    await worker.run();
  } finally {
    isPolling = false;
    await connection?.close();
    await health.close();
  }
}

/** @returns undefined when the signal aborts first */
async function connect(address: string, log: Log, signal: AbortSignal): Promise<NativeConnection | undefined> {
  for (let isTold = false; !signal.aborted; isTold = true) {
    const attempt = NativeConnection.connect({ address });
    const connection = await Promise.race([attempt, giveUp(connectLimitMs, signal)]).catch((error: unknown) => {
      if (!isTold) log.warn({ err: error, address }, "Temporal does not answer; trying on");
      return undefined;
    });
    if (connection !== undefined) return connection;
    attempt.then((late) => late.close()).catch(() => undefined);
    await sleep(connectAgainAfterMs, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

async function giveUp(afterMs: number, signal: AbortSignal): Promise<undefined> {
  await sleep(afterMs, undefined, { signal, ref: false }).catch(() => undefined);
}

async function isReachable(connection: NativeConnection | undefined): Promise<boolean> {
  if (connection === undefined) return false;
  const look = connection.withDeadline(Date.now() + lookLimitMs, () => connection.workflowService.getSystemInfo({}));
  return look.then(
    () => true,
    () => false,
  );
}

async function isApiThere(apiUrl: string): Promise<boolean> {
  const look = fetch(new URL("/healthz", apiUrl), { signal: AbortSignal.timeout(lookLimitMs) });
  return look.then(
    (answer) => answer.ok,
    () => false,
  );
}
