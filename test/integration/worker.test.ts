import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Client, Connection } from "@temporalio/client";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { workflowIdOf } from "../../src/drivers/temporal/contract.ts";
import type { Temporal } from "../../src/drivers/temporal/workflow-client.ts";
import { createTemporal } from "../../src/drivers/temporal/workflow-client.ts";
import type { TestEngines } from "../support/engines/engines.ts";
import { startEngines } from "../support/engines/engines.ts";
import { freePorts } from "../support/engines/free-ports.ts";
import type { ScriptedApi } from "../support/worlds/scripted-api.ts";
import { startScriptedApi } from "../support/worlds/scripted-api.ts";
import { aRun } from "../support/worlds/workflow-world.ts";

const program = resolve(import.meta.dirname, "../../src/cli/automation.ts");
let engines: TestEngines;
let api: ScriptedApi;
let temporal: Temporal;
let connection: Connection;
const workers: ChildProcess[] = [];

beforeAll(async () => {
  [engines, api] = await Promise.all([startEngines({ temporal: true }), startScriptedApi()]);
  temporal = createTemporal({ ...engines.temporal });
  connection = await Connection.connect({ address: engines.temporal.address });
  writeFileSync(join(engines.dir, "token"), "a-token");
});
afterEach(async () => {
  for (const worker of workers.splice(0)) await ended(worker, "SIGKILL");
});
afterAll(async () => {
  await Promise.allSettled([temporal?.close(), connection?.close(), api?.close()]);
  await engines?.stop();
});

/** Starts `automation worker control`. @returns it, and what its readiness says */
async function startWorker(temporalAddress = engines.temporal.address) {
  const [port = 0] = await freePorts(1);
  const worker = spawn(process.execPath, [program, "worker", "control"], {
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      PATH: process.env.PATH,
      AUTOMATION_TEMPORAL_ADDRESS: temporalAddress,
      AUTOMATION_TEMPORAL_NAMESPACE: engines.temporal.namespace,
      AUTOMATION_API_URL: api.url,
      AUTOMATION_TOKEN_FILE: join(engines.dir, "token"),
      AUTOMATION_HEALTH_ADDRESS: `127.0.0.1:${port}`,
      AUTOMATION_LOG_LEVEL: "error",
    },
  });
  workers.push(worker);
  return { worker, ready: async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).json() };
}

/** @returns the exit code */
async function ended(worker: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (worker.exitCode === null && worker.signalCode === null) {
    const exit = once(worker, "exit");
    worker.kill(signal);
    await exit;
  }
  return worker.exitCode;
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
  await ended(first.worker, "SIGKILL");
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
  const { worker, ready } = await startWorker();
  await vi.waitFor(async () => expect(await ready()).toEqual({ work: true }), {
    timeout: 60_000,
    interval: 100,
  });
  expect(await ended(worker, "SIGTERM")).toBe(0);
});

it("waits for a Temporal that is away, says so, and can be told to end meanwhile", async () => {
  const { worker, ready } = await startWorker("127.0.0.1:1");
  await vi.waitFor(async () => expect(await ready()).toEqual({ work: "it has not begun to poll" }), {
    timeout: 60_000,
    interval: 100,
  });
  expect(await ended(worker, "SIGTERM")).toBe(0);
});
