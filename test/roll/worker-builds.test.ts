import { dirname } from "node:path";
import type { WorkflowHandle } from "@temporalio/client";
import { Client, Connection } from "@temporalio/client";
import { NativeConnection, Worker } from "@temporalio/worker";
import { afterAll, beforeAll, expect, it } from "vitest";
import { findTemporal } from "../../local/engines/temporal/temporal.ts";
import { waitUntil } from "../../local/engines/wait-until.ts";
import { controlTaskQueue, workflowIdOf, workspaceTaskQueue } from "../../src/drivers/temporal/contract.ts";
import type { Temporal } from "../../src/drivers/temporal/workflow-client.ts";
import { createTemporal } from "../../src/drivers/temporal/workflow-client.ts";
import type { TestEngines } from "../support/engines/engines.ts";
import { startEngines } from "../support/engines/engines.ts";
import { muteTemporal } from "../support/engines/silent-temporal.ts";
import { shell } from "../support/engines/stack.ts";
import { findBy } from "../support/probes/find.ts";
import { blocksOf } from "../support/probes/pages.ts";
import type { ScriptedApi } from "../support/worlds/scripted-api.ts";
import { startScriptedApi, withWork } from "../support/worlds/scripted-api.ts";
import type { WorkerProcess } from "../support/worlds/worker-process.ts";
import { startControlWorker } from "../support/worlds/worker-process.ts";
import { aRun, workDone } from "../support/worlds/workflow-world.ts";

/** Two builds of the control worker side by side, on a real Temporal. */

const signal = AbortSignal.timeout(120_000);
let engines: TestEngines;
let api: ScriptedApi;
let temporal: Temporal;
let connection: Connection;
const workers: WorkerProcess[] = [];

beforeAll(async () => {
  muteTemporal();
  [engines, api] = await Promise.all([startEngines({ temporal: true }), startScriptedApi()]);
  temporal = createTemporal({ ...engines.temporal });
  connection = await Connection.connect({ address: engines.temporal.address });
});
afterAll(async () => {
  for (const worker of workers) await worker.end("SIGKILL");
  await Promise.allSettled([temporal?.close(), connection?.close(), api?.close()]);
  await engines?.stop();
});

/** Sets a build as current by the command of docs/operating/install.md, once Temporal has heard of its worker. */
async function setCurrent(buildId: string): Promise<void> {
  const program = await findTemporal(findBy(signal));
  const [block] = blocksOf("docs/operating/install.md").filter(({ text }) => text.startsWith("temporal worker"));
  const command = (block?.text ?? "")
    .replace("--namespace automation ", `--namespace ${engines.temporal.namespace} `)
    .replace("--build-id 0.1.0", `--build-id ${buildId}`);
  const lines = `export TEMPORAL_ADDRESS=${engines.temporal.address} PATH="${dirname(program)}:$PATH"\n${command}`;
  const isSet = async () => {
    const { code, stderr } = await shell(lines);
    if (code !== 0 && !/no Worker Deployment found|not found in Worker Deployment/.test(stderr))
      throw new Error(stderr);
    return code === 0;
  };
  await waitUntil(`Temporal to hear of build ${buildId}`, isSet, { limitMs: 60_000, everyMs: 250, signal });
}

/** @returns the builds that did workflow tasks of a run, each once */
async function buildsOf(handle: WorkflowHandle): Promise<(string | null | undefined)[]> {
  const { events } = await handle.fetchHistory();
  const done = events?.flatMap(({ workflowTaskCompletedEventAttributes: task }) => task ?? []) ?? [];
  expect(done.every(({ deploymentVersion }) => deploymentVersion?.deploymentName === controlTaskQueue)).toBe(true);
  return [...new Set(done.map(({ deploymentVersion }) => deploymentVersion?.buildId))];
}

it("ends a run on the build on which it began, and begins new ones on the build that is current", async () => {
  const { workflow } = new Client({ connection, namespace: engines.temporal.namespace });
  const handleOf = ({ tenant, runId }: { tenant: string; runId: string }) =>
    workflow.getHandle(workflowIdOf(tenant, runId, 1));
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const native = await NativeConnection.connect({ address: engines.temporal.address });
  const workspace = await Worker.create({
    connection: native,
    namespace: engines.temporal.namespace,
    taskQueue: workspaceTaskQueue("ISOLATION_CLASS_UID"), // whose workers have no build
    activities: {
      workSegment: async () => {
        begin();
        await held;
        return workDone;
      },
    },
  });
  const early = aRun();
  api.script(early.runId, { beginRun: withWork });
  const working = workspace.run();
  for (const build of ["first", "second"])
    workers.push(await startControlWorker(engines, api, { AUTOMATION_WORKER_BUILD_ID: build }));
  await setCurrent("first");
  await temporal.start(early);
  await begun;

  await setCurrent("second");
  const late = aRun();
  await temporal.start(late);
  await handleOf(late).result();
  release();
  await handleOf(early).result();
  workspace.shutdown();
  await working;
  await native.close();

  expect(await buildsOf(handleOf(early))).toEqual(["first"]);
  expect(await buildsOf(handleOf(late))).toEqual(["second"]);
});
