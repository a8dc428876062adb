import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { historyToJSON } from "@temporalio/common/lib/proto-utils.js";
import type { RunToStart } from "../../src/admission/workflows.ts";
import { DesiredState } from "../../src/gen/workflows_runtime/v1/run_pb.ts";
import { HandoffProgress } from "../../src/gen/workflows_runtime/v1/run_worker_service_pb.ts";
import type { Script } from "../support/worlds/scripted-api.ts";
import { failedVerdict, limitIn, withWork } from "../support/worlds/scripted-api.ts";
import type { WorkflowWorld } from "../support/worlds/workflow-world.ts";
import {
  aRun,
  startRun,
  startWorkflowWorld,
  untilPending,
  untilStopped,
  workDone,
} from "../support/worlds/workflow-world.ts";

/**
 * Records the histories that the replay test replays: `node test/replay/record.ts [name…]`, all of them unless named. A new turn of the workflow gets a history of its own;
 * an old one is recorded anew only when a change is meant to break it.
 */
interface Scenario {
  readonly script?: Partial<Script>;
  /** The api is away at the start. */
  readonly isAway?: true;
  readonly meanwhile?: (world: WorkflowWorld, run: RunToStart) => Promise<void>;
}

/** Who recorded it, and where, is not the workflow's. */
function withoutMachine(name: string, value: unknown): unknown {
  if (["identity", "stackTrace", "workerVersion", "binaryChecksum"].includes(name)) return undefined;
  return name === "name" && /^\d+@/.test(String(value)) ? "sticky" : value;
}

const pending = () => ({ progress: HandoffProgress.PENDING });

const scenarios: Record<string, Scenario> = {
  completed: {},
  "verdict-failed": { script: { prepareSeal: () => failedVerdict } },
  "cancelled-while-waiting": {
    script: { deliverHandoff: pending, reportStatus: () => ({ desiredState: DesiredState.CANCEL }) },
    meanwhile: async (world, run) => {
      await untilPending(world, run, "awaitHandoff");
      await world.temporal.ring(run);
    },
  },
  "api-away": {
    isAway: true,
    meanwhile: async (world, run) => {
      await untilPending(world, run, "beginRun");
      await world.api.open();
    },
  },
  worked: {
    script: { beginRun: withWork },
    meanwhile: async (world, run) => world.work(run.runId, async () => workDone),
  },
  "cancelled-while-working": {
    script: { beginRun: withWork, reportStatus: () => ({ desiredState: DesiredState.CANCEL }) },
    meanwhile: async (world, run) => {
      world.work(run.runId, untilStopped);
      await untilPending(world, run, "workSegment");
      await world.temporal.ring(run);
    },
  },
  "timed-out": { script: { ...limitIn(2_000), deliverHandoff: pending } },
};

const named = process.argv.slice(2);
const world = await startWorkflowWorld();
try {
  for (const [name, { script = {}, isAway, meanwhile }] of Object.entries(scenarios)) {
    if (named.length > 0 && !named.includes(name)) continue;
    const run = aRun();
    world.api.script(run.runId, script);
    if (isAway) await world.api.shut();
    const handle = await startRun(world, run);
    await meanwhile?.(world, run);
    await handle.result();
    const history = await handle.fetchHistory();
    const file = join(import.meta.dirname, "histories", `${name}.json`);
    writeFileSync(file, `${JSON.stringify(JSON.parse(historyToJSON(history), withoutMachine), null, 1)}\n`);
    console.log(`${name}: ${history.events?.length} events, ${world.api.calls(run.runId).join(", ")}`);
  }
} finally {
  await world.stop();
}
