import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { historyToJSON } from "@temporalio/common/lib/proto-utils.js";
import type { RunToStart } from "../../src/dispatch/workflows.ts";
import { DesiredState } from "../../src/gen/workflows_runtime/v1/run_pb.ts";
import { HandoffProgress } from "../../src/gen/workflows_runtime/v1/run_worker_service_pb.ts";
import type { Script } from "../support/scripted-api.ts";
import { deadlineIn, failedVerdict } from "../support/scripted-api.ts";
import type { WorkflowWorld } from "../support/workflow-world.ts";
import { aRun, startRun, startWorkflowWorld, untilPending } from "../support/workflow-world.ts";

/** Records the histories that the replay test replays: `node test/replay/record.ts`. Needed anew when a workflow change is meant to break old ones. */
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
  "timed-out": { script: { beginRun: () => ({ plan: {}, ...deadlineIn(2_000) }), deliverHandoff: pending } },
};

const world = await startWorkflowWorld();
try {
  for (const [name, { script = {}, isAway, meanwhile }] of Object.entries(scenarios)) {
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
