import { Client, Connection } from "@temporalio/client";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { workflowIdOf } from "../../src/drivers/temporal/contract.ts";
import type { Temporal } from "../../src/drivers/temporal/workflow-client.ts";
import { createTemporal } from "../../src/drivers/temporal/workflow-client.ts";
import type { TestEngines } from "../support/engines/engines.ts";
import { startEngines } from "../support/engines/engines.ts";
import type { ScriptedApi } from "../support/worlds/scripted-api.ts";
import { startScriptedApi } from "../support/worlds/scripted-api.ts";
import type { WorkerProcess } from "../support/worlds/worker-process.ts";
import { startControlWorker } from "../support/worlds/worker-process.ts";
import { aRun } from "../support/worlds/workflow-world.ts";

let engines: TestEngines;
let api: ScriptedApi;
let temporal: Temporal;
let connection: Connection;
const workers: WorkerProcess[] = [];

beforeAll(async () => {
  [engines, api] = await Promise.all([startEngines({ temporal: true }), startScriptedApi()]);
  temporal = createTemporal({ ...engines.temporal });
  connection = await Connection.connect({ address: engines.temporal.address });
});
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.end("SIGKILL");
});
afterAll(async () => {
  await Promise.allSettled([temporal?.close(), connection?.close(), api?.close()]);
  await engines?.stop();
});

async function startWorker(environment: Readonly<Record<string, string>> = {}): Promise<WorkerProcess> {
  const worker = await startControlWorker(engines, api, environment);
  workers.push(worker);
  return worker;
}

it("finishes a run whose worker was killed within a call, by another worker", async () => {
  const run = aRun();
  let isSlow = true;
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  api.script(run.runId, {
    commitSeal: async () => {
      if (isSlow) await held;
      return { committed: true };
    },
  });
  const first = await startWorker();
  await temporal.start(run);
  await api.called(run.runId, "commitSeal");
  await first.end("SIGKILL");
  isSlow = false;
  release();
  await startWorker();
  const { workflow } = new Client({ connection, namespace: engines.temporal.namespace });
  await workflow.getHandle(workflowIdOf(run.tenant, run.runId, 1)).result();
  expect(api.calls(run.runId).filter((call) => call === "beginRun")).toHaveLength(2);
  expect(api.calls(run.runId).at(-1)).toBe("commitSeal");
  expect(api.aborts(run.runId)).toEqual([]);
});

it("says that it is ready, drains at SIGTERM, and ends with 0", async () => {
  const { end, ready } = await startWorker();
  await vi.waitFor(async () => expect(await ready()).toEqual({ work: true }), {
    timeout: 60_000,
    interval: 100,
  });
  expect(await end("SIGTERM")).toBe(0);
});

it("waits for a Temporal that is away, says so, and can be told to end meanwhile", async () => {
  const { end, ready } = await startWorker({ AUTOMATION_TEMPORAL_ADDRESS: "127.0.0.1:1" });
  await vi.waitFor(async () => expect(await ready()).toEqual({ work: "it has not begun to poll" }), {
    timeout: 60_000,
    interval: 100,
  });
  expect(await end("SIGTERM")).toBe(0);
});
