import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Context } from "@temporalio/activity";
import { Client, Connection } from "@temporalio/client";
import { NativeConnection, Worker } from "@temporalio/worker";
import type { RunToStart } from "../../../src/admission/workflows.ts";
import { createApiClient } from "../../../src/client/api-client.ts";
import type { RunScope, WorkEnd, WorkFault } from "../../../src/drivers/temporal/contract.ts";
import { workflowIdOf, workspaceTaskQueue } from "../../../src/drivers/temporal/contract.ts";
import type { Temporal } from "../../../src/drivers/temporal/workflow-client.ts";
import { createTemporal } from "../../../src/drivers/temporal/workflow-client.ts";
import { createControlActivities } from "../../../workers/automation/activities/control-activities.ts";
import { bundleWorkflows, createControlWorker } from "../../../workers/automation/control-worker.ts";
import type { TestEngines } from "../engines/engines.ts";
import { startEngines } from "../engines/engines.ts";
import { muteTemporal, silent } from "../engines/silent-temporal.ts";
import type { ScriptedApi } from "./scripted-api.ts";
import { startScriptedApi } from "./scripted-api.ts";

type WorkScript = (scope: RunScope, fault: WorkFault | undefined, segment: number) => Promise<WorkEnd>;

/** A real Temporal server and a real control worker, with a scripted api behind its activities; work itself is scripted, too. */
export interface WorkflowWorld {
  readonly api: ScriptedApi;
  /** What the work of a run does; it is told how an earlier activity ended. */
  work(runId: string, script: WorkScript): void;
  readonly temporal: Temporal;
  readonly client: Client;
  readonly engines: TestEngines;
  stop(): Promise<void>;
}

export const workDone: WorkEnd = { outcome: "WORK_OUTCOME_DONE", cause: "", reason: "" };

/** Work that goes on until it is stopped, its heart beating. */
export const untilStopped = async (): Promise<WorkEnd> => {
  const context = Context.current();
  const beating = setInterval(() => context.heartbeat(), 200);
  try {
    return await context.cancelled;
  } finally {
    clearInterval(beating);
  }
};

/** A run that can be started, with an id of its own. */
export function aRun(change: Partial<RunToStart> = {}): RunToStart {
  return {
    tenant: "acme",
    org: "acme-eu",
    runId: randomUUID(),
    generation: 1,
    startCapability: randomBytes(32).toString("hex"),
    fairnessKey: "",
    priority: 3,
    queueLimitSeconds: 86_400,
    workLimitSeconds: 3_600,
    handoffLimitSeconds: 259_200,
    eventId: "evt-1",
    definitionId: "increment-evidence",
    definitionVersion: "1.0.0",
    profileId: "scrum-team",
    profileVersion: "1",
    cadenceId: "sprint-7",
    references: {
      timeboxes: [{ kind: "sprint", id: "sprint-7" }],
      workItems: [{ kind: "backlog_item", id: "PBI-1", parent: { kind: "product", id: "shop" } }],
    },
    goal: "",
    personas: [],
    traceparent: null,
    tracestate: null,
    ...change,
  };
}

export async function startWorkflowWorld(): Promise<WorkflowWorld> {
  muteTemporal();
  const [engines, api, workflowBundle] = await Promise.all([
    startEngines({ temporal: true }),
    startScriptedApi(),
    bundleWorkflows(silent),
  ]);
  const { address, namespace } = engines.temporal;
  const [connection, clientConnection] = await Promise.all([
    NativeConnection.connect({ address }),
    Connection.connect({ address }),
  ]);
  const worker = await createControlWorker({
    connection,
    namespace,
    workflowBundle,
    activities: createControlActivities({
      apiFor: ({ tenant, org }) => createApiClient({ apiUrl: api.url, token: () => "token", tenant, org }),
    }),
  });
  const works = new Map<string, WorkScript>();
  const workspace = await Worker.create({
    connection,
    namespace,
    taskQueue: workspaceTaskQueue("ISOLATION_CLASS_UID"),
    maxHeartbeatThrottleInterval: "500 ms",
    activities: {
      workSegment: (scope: RunScope, segment: number, _startCapability: string, fault?: WorkFault) => {
        const work = works.get(scope.runId);
        if (work === undefined) throw new Error(`nothing says what the work of ${scope.runId} does`);
        return work(scope, fault, segment);
      },
    },
  });
  const running = Promise.all([worker.run(), workspace.run()]);
  const temporal = createTemporal({ address, namespace });
  return {
    api,
    work: (runId, script) => void works.set(runId, script),
    temporal,
    client: new Client({ connection: clientConnection, namespace }),
    engines,
    async stop() {
      worker.shutdown();
      workspace.shutdown();
      await running;
      await Promise.all([connection.close(), clientConnection.close(), temporal.close(), api.close()]);
      await engines.stop();
    },
  };
}

/** Starts a run as the dispatcher does, and gives its handle. */
export async function startRun(world: WorkflowWorld, run: RunToStart) {
  const answer = await world.temporal.start(run);
  if (answer.state !== "started") throw new Error(`not started: ${answer.state}`, { cause: answer.cause });
  return world.client.workflow.getHandle(workflowIdOf(run.tenant, run.runId, run.generation));
}

/** Resolves when the run waits in the regular form of an activity; throws after 20 s. */
export async function untilPending(world: WorkflowWorld, run: RunToStart, activity: string): Promise<void> {
  const handle = world.client.workflow.getHandle(workflowIdOf(run.tenant, run.runId, run.generation));
  const limit = AbortSignal.timeout(60_000);
  for (;;) {
    const { raw } = await handle.describe();
    if (raw.pendingActivities?.some((each) => each.activityType?.name === activity)) return;
    await sleep(100, undefined, { signal: limit });
  }
}
