import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "@temporalio/worker";
import { NativeConnection, Runtime } from "@temporalio/worker";
import { createApiClient } from "../src/client/api-client.ts";
import type { Environment } from "../src/config/environment.ts";
import { readEnvironment } from "../src/config/environment.ts";
import { programVersion } from "../src/config/program-version.ts";
import { createSecretFiles, oneLine } from "../src/config/secret-files.ts";
import type { TemporalTls } from "../src/config/temporal-tls.ts";
import { temporalTlsOf } from "../src/config/temporal-tls.ts";
import { secretUnusable } from "../src/telemetry/events.ts";
import { serveHealth } from "../src/telemetry/health.ts";
import type { Log } from "../src/telemetry/log.ts";
import { createLog } from "../src/telemetry/log.ts";
import { observeSecrets } from "../src/telemetry/metrics/secret-metrics.ts";
import { currentTrace } from "../src/telemetry/spans.ts";
import { startTelemetry } from "../src/telemetry/start-telemetry.ts";
import { remedyOfConnection } from "../src/telemetry/tls-remedy.ts";
import { createControlActivities } from "./automation/activities/control-activities.ts";
import { createControlWorker, workflowsOf } from "./automation/control-worker.ts";
import type { PreparedWorker, Standing } from "./poll-while-able.ts";
import { pollWhileAble } from "./poll-while-able.ts";
import { createSdkMetrics } from "./sdk-metrics.ts";
import { createTemporalLogger } from "./temporal-logger.ts";

const connectLimitMs = 3_000;
const connectAgainAfterMs = 1_000;
/** Time between two checks whether this worker can work. */
const lookEveryMs = 5_000;

/**
 * Runs a worker until the signal aborts, then lets it finish what it holds, for at most 8 s.
 * Waits for Temporal at the start; later the SDK reconnects.
 * @param kind - `control`: workflow tasks and api calls; `workspace`: the work of runs, in boxes that are proven before it polls
 * @throws Error when the worker can't go on: the process should end and be started again
 */
export async function main(
  kind: "control" | "workspace",
  source: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<void> {
  const isControl = kind === "control";
  if (!isControl) (await import("./workspace/sandbox/area/own-mounts.ts")).takeOwnMounts(source);
  const environment = isControl ? readEnvironment("worker", source) : readEnvironment("workspace", source);
  const log = createLog(`worker-${kind}`, environment.AUTOMATION_LOG_LEVEL);
  const telemetry = startTelemetry(`worker-${kind}`, programVersion(), environment, log);
  const tls = temporalTlsOf(environment);
  const secrets = createSecretFiles((name, why) => secretUnusable(log, name, why));
  const token = secrets.open("worker-token", [environment.AUTOMATION_TOKEN_FILE], oneLine);
  observeSecrets(secrets.states, () => new Date());
  const logger = createTemporalLogger(log);
  const metrics = await createSdkMetrics();
  telemetry.addMetrics(metrics.read);
  Runtime.install({
    logger,
    telemetryOptions: { logging: { filter: { core: "WARN", other: "ERROR" }, forward: {} }, metrics: metrics.options },
    shutdownSignals: [], // the caller's signal ends it
  });
  let connection: NativeConnection | undefined;
  let made: PreparedWorker | undefined;
  let standing: Standing = "it has not begun to poll";
  const onStanding = (now: Standing) => {
    standing = now;
  };
  const health = await serveHealth({
    address: environment.AUTOMATION_HEALTH_ADDRESS,
    telemetry,
    check: async () => ({ work: standing ?? true }),
  });
  try {
    const making = isControl
      ? prepareControl(environment as Environment<"worker">, token, logger)
      : prepareWorkspace(environment as Environment<"workspace">, { token, log, signal, onStanding });
    [connection, made] = await Promise.all([
      connect(environment.AUTOMATION_TEMPORAL_ADDRESS, tls, log, signal),
      making,
    ]);
    if (connection === undefined) return;
    const at = { connection, namespace: environment.AUTOMATION_TEMPORAL_NAMESPACE };
    await pollWhileAble(made, at, { lookEveryMs, log, signal, onStanding });
  } finally {
    standing = "it is ending";
    await connection?.close();
    await made?.close();
    await health.close();
    await telemetry.close();
  }
}

/** Loads the code of the workspace worker only where it is needed. Waits while the machine lacks something, such as disk space; a sandbox that can't be proved ends the process. */
async function prepareWorkspace(
  environment: Environment<"workspace">,
  deps: { token: () => string; log: Log; signal: AbortSignal; onStanding: (standing: Standing) => void },
): Promise<PreparedWorker> {
  const { token, log, signal, onStanding } = deps;
  const { createWorkspaceWorker } = await import("./workspace/workspace-worker.ts");
  const { lackOfHost } = await import("./workspace/host/host-fault.ts");
  for (;;) {
    try {
      return await createWorkspaceWorker(environment, { token, log, signal });
    } catch (error) {
      const lack = lackOfHost(error);
      if (lack === undefined) throw error;
      log.error({ obstacle: lack }, "this worker can't begin; trying on");
      onStanding(lack);
    }
    await sleep(lookEveryMs, undefined, { signal });
  }
}

/** Prepares the workflows while the connection is made. */
async function prepareControl(
  environment: Environment<"worker">,
  token: () => string,
  logger: Logger,
): Promise<PreparedWorker> {
  const { AUTOMATION_API_URL: apiUrl, AUTOMATION_WORKER_BUILD_ID: buildId } = environment;
  const workflowBundle = await workflowsOf(logger);
  const activities = createControlActivities({
    apiFor: ({ tenant, org }) => createApiClient({ apiUrl, token, tenant, org, trace: currentTrace }),
  });
  return {
    obstacle: async () => undefined,
    create: (at) => createControlWorker({ ...at, activities, workflowBundle, buildId }),
    close: async () => undefined,
  };
}

/** @returns undefined when the signal aborts first */
async function connect(
  address: string,
  tls: TemporalTls | undefined,
  log: Log,
  signal: AbortSignal,
): Promise<NativeConnection | undefined> {
  for (let isTold = false; !signal.aborted; isTold = true) {
    const attempt = NativeConnection.connect({ address, tls: tls ?? null });
    const connection = await Promise.race([attempt, giveUp(connectLimitMs, signal)]).catch((error: unknown) => {
      if (!isTold)
        log.warn({ err: error, address, remedy: remedyOfConnection(error) }, "Temporal does not answer; trying on");
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
