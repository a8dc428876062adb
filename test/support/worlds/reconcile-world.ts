import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, Connection } from "@temporalio/client";
import { NativeConnection } from "@temporalio/worker";
import { pino } from "pino";
import type { Engine } from "../../../local/engines/engine.ts";
import { findTemporal, startTemporal, temporalNamespace } from "../../../local/engines/temporal/temporal.ts";
import { createPumpCommands } from "../../../src/admission/pump-commands.ts";
import { createReconcileRuns } from "../../../src/admission/reconcile-runs.ts";
import { createReleaseRuns } from "../../../src/admission/release-runs.ts";
import { createApiClient } from "../../../src/client/api-client.ts";
import { createInTransaction } from "../../../src/drivers/postgres/in-scope.ts";
import { createPool } from "../../../src/drivers/postgres/pool.ts";
import { createTemporal } from "../../../src/drivers/temporal/workflow-client.ts";
import { createControlActivities } from "../../../workers/automation/activities/control-activities.ts";
import { bundleWorkflows, createControlWorker } from "../../../workers/automation/control-worker.ts";
import { freePorts } from "../engines/free-ports.ts";
import { muteTemporal, silent } from "../engines/silent-temporal.ts";
import { findBy } from "../probes/find.ts";
import { startApi } from "./api.ts";

/** A run of which nothing is heard for a second is asked after, and lost when it is not there another second later. */
const afterSeconds = 1;

export type ReconcileWorld = Awaited<ReturnType<typeof startReconcileWorld>>;

/** The api process as it is, started with what is told, a Temporal server that can lose everything, the loops of a dispatcher, and control workers that come and go. */
export async function startReconcileWorld(...forApi: Parameters<typeof startApi>) {
  muteTemporal();
  const signal = AbortSignal.timeout(20 * 60_000);
  const [api, program, workflowBundle] = await Promise.all([
    startApi(...forApi),
    findTemporal(findBy(signal, console.error)),
    bundleWorkflows(silent),
  ]);
  const [grpc = 0, http = 0] = await freePorts(2);
  const dataDir = join(api.engines.dir, "temporal");
  const [logFile, pidsDir] = [join(api.engines.dir, "temporal.log"), join(api.engines.dir, "pids")];
  const start = () => startTemporal(program, { dataDir, logFile, pidsDir, signal, ports: { grpc, http } });
  let engine: Engine = await start();
  const { address } = engine;
  const namespace = temporalNamespace;

  const url = api.database.urlOf("dispatcher");
  const pool = createPool({ url, applicationName: "dispatcher", max: 8, onError: () => undefined });
  const inTransaction = createInTransaction(pool);
  const temporal = createTemporal({ address, namespace });
  const connection = await Connection.connect({ address });
  const bearer = await api.token({ tenants: ["*"], orgs: ["*"], roles: ["worker"], sub: "worker" });

  const log = pino({ level: "silent" });
  /** Starts the loops of one dispatcher process. */
  const dispatch = (maxUnbegun = 32) => {
    const deps = {
      inTransaction,
      workflows: temporal,
      maxUnbegun,
      weightOf: () => 1,
      onAdmitted: () => undefined,
      now: () => new Date(),
      log,
    };
    const reconcile = createReconcileRuns({ ...deps, afterSeconds });
    const loops = [createReleaseRuns({ ...deps, refusedSeconds: afterSeconds }), createPumpCommands(deps), reconcile];
    const stop = new AbortController();
    const running = Promise.all(loops.map((loop) => loop.run(stop.signal)));
    const stopped = async () => {
      stop.abort();
      await running;
    };
    return { reconcile, stop: stopped };
  };
  /** Starts a control worker. @returns what ends it */
  const work = async () => {
    const native = await NativeConnection.connect({ address });
    const worker = await createControlWorker({
      connection: native,
      namespace,
      workflowBundle,
      activities: createControlActivities({
        apiFor: ({ tenant, org }) => createApiClient({ apiUrl: api.url, token: () => bearer, tenant, org }),
      }),
    });
    const running = worker.run();
    return async () => {
      worker.shutdown();
      await running;
      await native.close();
    };
  };

  return {
    api,
    address,
    temporal,
    dispatch,
    work,
    client: new Client({ connection, namespace }),
    workerApi: createApiClient({ apiUrl: api.url, token: () => bearer, tenant: "acme", org: "retail" }),
    /** Temporal loses every workflow, and comes back as it was when it was new. */
    async wipeTemporal() {
      await engine.stop(2_000);
      rmSync(dataDir, { recursive: true, force: true });
      engine = await start();
    },
    /** One row of a run, as the database has it. */
    async rowOf(runId: string) {
      const { rows } = await api.admin.query(
        `select r.status, r.generation, q.started_at is not null or r.begun_at is not null as started, s.cause, s.state as seal
         from runs r left join seals s using (tenant, run_id) left join run_queue q using (tenant, run_id) where run_id = $1`,
        [runId],
      );
      return rows[0];
    },
    async stop() {
      await Promise.allSettled([temporal.close(), connection.close(), pool.end()]);
      await engine.stop(2_000);
      await api.stop();
    },
  };
}

/** Polls until it is so; the limit is that of the test. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(100);
}
