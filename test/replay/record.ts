import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ApplicationFailure, Context } from "@temporalio/activity";
import { historyToJSON } from "@temporalio/common/lib/proto-utils.js";
import { NativeConnection, Worker } from "@temporalio/worker";
import { sha256Hex } from "../../src/artifacts/blobs.ts";
import type { RunScope, WorkEnd, WorkFault, WorkspaceActivities } from "../../src/drivers/temporal/contract.ts";
import { workFailed, workflowIdOf, workspaceTaskQueue } from "../../src/drivers/temporal/contract.ts";
import { RunStatus } from "../../src/gen/automation/v1/run_event_pb.ts";
import type { WorkReportJson } from "../../src/gen/automation/v1/run_work_pb.ts";
import { RefusalPolicy } from "../../src/gen/governance/v1/profile_pb.ts";
import { executionOf } from "../../workers/automation/activities/control-activities.ts";
import { uploadWork } from "../../workers/workspace/activities/upload-work.ts";
import { startEngines } from "../support/engines/engines.ts";
import type { RunningScrumService } from "../support/engines/scrum-service-process.ts";
import { startScrumService } from "../support/engines/scrum-service-process.ts";
import { declare, profileOf, startRun } from "../support/worlds/api.ts";
import type { ReconcileWorld } from "../support/worlds/reconcile-world.ts";
import { startReconcileWorld } from "../support/worlds/reconcile-world.ts";
import { untilStopped } from "../support/worlds/workflow-world.ts";

/**
 * Records the histories that the replay test replays: `node test/replay/record.ts [name…]`, all of them unless named. `docs/run-lifecycle.md` says when.
 * Everything answers as it is: the api over Postgres and an object store, Temporal, the dispatcher's loops, a receiver. Only the work is acted: it makes a workspace worker's calls, and no box.
 */
interface Scenario {
  /** `working`: the plan has a step; `tested`: the gate wants tests that nobody runs; `handing`: to the receiver; `hurried`: within 12 s; `lapsing`: within 2 s, which the reconciler notices before the workflow asks. */
  readonly profile: "team" | "working" | "tested" | "handing" | "hurried" | "lapsing";
  readonly work?: (at: WorkAt) => Promise<WorkEnd>;
  readonly meanwhile?: (run: Recorded) => Promise<void>;
  readonly before?: () => Promise<void>;
}

interface WorkAt {
  readonly scope: RunScope;
  readonly attempt: { readonly segment: number; readonly number: number };
}

interface Recorded {
  readonly runId: string;
  /** Resolves when the run waits in the regular form of an activity. */
  readonly untilPending: (activity: string) => Promise<void>;
}

const repositoryId = "shop";
const [baseCommit, gitCommit, gitTree] = ["a", "b", "c"].map((digit) => digit.repeat(40));

const patch = `diff --git a/src/sum.js b/src/sum.js
index ${"d".repeat(40)}..${"e".repeat(40)} 100644
--- a/src/sum.js
+++ b/src/sum.js
@@ -1 +1 @@
-a - b
+a + b
`;

/** Reports work as a workspace worker does. */
async function report({ scope, attempt }: WorkAt, told: WorkReportJson): Promise<WorkEnd> {
  const execution = executionOf(scope);
  const { workflows } = world.workerApi;
  await workflows.reportWorkflowStatus({ execution, attempt, status: RunStatus.RUNNING, baseCommit });
  const changes = { name: "changes.patch", kind: "patch", mediaType: "text/x-diff", bytes: Buffer.from(patch) };
  const whole = { segment: attempt.segment, attempt: attempt.number, ...told };
  const files = told.capture === undefined ? [] : [changes];
  await uploadWork(world.workerApi, execution, whole, files, () => undefined, AbortSignal.timeout(60_000));
  const { outcome = "WORK_OUTCOME_FAILED", cause = "", reason = "" } = told;
  return { outcome, cause, reason };
}

const done = (at: WorkAt) =>
  report(at, {
    outcome: "WORK_OUTCOME_DONE",
    steps: [{ stepId: "build", state: "STEP_STATE_DONE" }],
    sandbox: { isolation: "ISOLATION_CLASS_UID" },
    capture: {
      repositoryId,
      ref: "main",
      baseCommit,
      gitCommit,
      gitTree,
      patchSha256: sha256Hex(patch),
      changes: [{ path: "src/sum.js", kind: "CHANGE_KIND_MODIFIED", mode: "100644" }],
    },
  });
const gaveUp = (at: WorkAt) =>
  report(at, { outcome: "WORK_OUTCOME_FAILED", cause: "gave_up", reason: "the tests can't be mended" });

const cancel = (runId: string) => acme.workflows.cancelWorkflowRun({ runId, reason: "not needed" });

/** Holds the run's event stream, so that the api can't write to it. @returns what lets go of it */
async function holdStream(runId: string): Promise<() => Promise<void>> {
  const holder = await world.api.admin.connect();
  await holder.query("begin");
  await holder.query("select from run_streams where run_id = $1 for update", [runId]);
  return async () => {
    await holder.query("rollback");
    holder.release();
  };
}

const stalled = () => scrum.tell({ action: "delay", phase: "try", delayMs: 60_000 });
let letGo = async () => {};

const scenarios: Record<string, Scenario> = {
  "completed-in-one-call": { profile: "handing" },
  "verdict-failed": { profile: "tested" },
  "api-away": {
    profile: "team",
    before: () => world.api.shut(),
    meanwhile: async ({ untilPending }) => {
      await untilPending("beginRun");
      await world.api.start();
    },
  },
  worked: { profile: "working", work: done },
  "work-repeated": {
    profile: "working",
    work: (at) => {
      if (at.attempt.number > 1) return done(at);
      throw ApplicationFailure.create({ message: "a bug", type: workFailed, nonRetryable: true, details: [1] });
    },
  },
  "work-failed": { profile: "working", work: gaveUp },
  "abort-repeated": {
    profile: "working",
    work: async (at) => {
      const ended = await gaveUp(at);
      letGo = await holdStream(at.scope.runId);
      return ended;
    },
    meanwhile: async ({ untilPending }) => {
      await untilPending("abortSeal");
      await letGo();
    },
  },
  "cancelled-while-working": {
    profile: "working",
    work: untilStopped,
    meanwhile: async ({ runId, untilPending }) => {
      await untilPending("workSegment");
      await cancel(runId);
    },
  },
  "handoff-waited": {
    profile: "handing",
    before: async () => void (await stalled()),
    meanwhile: async ({ untilPending }) => {
      await untilPending("awaitHandoff");
      await scrum.door("DELETE", "/behaviour");
    },
  },
  "cancelled-while-waiting": {
    profile: "handing",
    before: async () => void (await stalled()),
    meanwhile: async ({ runId, untilPending }) => {
      await untilPending("awaitHandoff");
      await cancel(runId);
    },
  },
  "timed-out": { profile: "hurried", before: async () => void (await stalled()) },
  "ended-by-api": { profile: "lapsing", before: async () => void (await stalled()) },
};

/** Who recorded it, and where, is not the workflow's. */
function withoutMachine(name: string, value: unknown): unknown {
  if (["identity", "stackTrace", "workerVersion", "binaryChecksum"].includes(name)) return undefined;
  return name === "name" && /^\d+@/.test(String(value)) ? "sticky" : value;
}

async function declareAll(): Promise<void> {
  const kind = { case: "command" as const, value: { argv: ["make"] } };
  const plan = { repository: { id: repositoryId }, steps: [{ id: "build", kind }] };
  const url = "https://github.com/acme/shop";
  await declare(acme);
  await acme.workflows.putRepository({ repository: { id: repositoryId, url, defaultRef: "main" } });
  const publish = (definitionId: string, more: object) =>
    acme.workflows.publishWorkflowVersion({ definitionId, version: "1", channel: "stable", plan: more });
  await publish("work", plan);
  await publish("hurried", { handoffLimit: { seconds: 12n } });
  await publish("lapsing", { handoffLimit: { seconds: 2n } });
  const bound = (definitionId: string) => [{ workKind: "story", definitionId, channel: "stable" }];
  const handoff = { receiver: "scrum", onRefusal: RefusalPolicy.FAIL };
  const gates = [{ id: "done", requirements: [{ id: "tested", kind: "test-result", remedy: "Add a test step." }] }];
  for (const profile of [
    { ...profileOf("tested"), gates },
    { ...profileOf("working"), bindings: bound("work") },
    { ...profileOf("handing"), handoff },
    { ...profileOf("hurried"), handoff, bindings: bound("hurried") },
    { ...profileOf("lapsing"), handoff, bindings: bound("lapsing") },
  ])
    await acme.profiles.publishProfile({ profile });
}

const named = process.argv.slice(2);
const scrum: RunningScrumService = await startScrumService();
const world: ReconcileWorld = await startReconcileWorld(
  `methodologies: { scrum: { method: scrum, endpoint: "${scrum.url}", tokenFile: "${scrum.tokenFile}", tryTimeout: 300ms } }`,
  startEngines,
);
const acme = await world.api.clientOf({ roles: ["admin"] });
const native = await NativeConnection.connect({ address: world.address });
let acted: Scenario["work"];
const workSegment: WorkspaceActivities["workSegment"] = async (scope, segment, startCapability, fault?: WorkFault) => {
  const attempt = { segment, number: (fault?.attempt ?? 0) + Context.current().info.attempt };
  await world.workerApi.runWorker.beginRun({ execution: executionOf(scope), startCapability, attempt, fault });
  if (acted === undefined) throw new Error("this scenario has no work");
  return acted({ scope, attempt });
};
const workspace = await Worker.create({
  connection: native,
  namespace: world.client.options.namespace,
  taskQueue: workspaceTaskQueue("ISOLATION_CLASS_UID"),
  maxHeartbeatThrottleInterval: "500 ms",
  activities: { workSegment },
});
const working = workspace.run();
const stopControl = await world.work();
try {
  await declareAll();
  for (const [name, { profile, work, before, meanwhile }] of Object.entries(scenarios)) {
    if (named.length > 0 && !named.includes(name)) continue;
    acted = work;
    const runId = await startRun(acme, { profile });
    await before?.();
    const dispatcher = world.dispatch();
    const handle = world.client.workflow.getHandle(workflowIdOf("acme", runId, 1));
    const untilPending = async (activity: string) => {
      for (;;) {
        const { raw } = await handle.describe().catch(() => ({ raw: undefined }));
        if (raw?.pendingActivities?.some((each) => each.activityType?.name === activity)) return;
        await sleep(100);
      }
    };
    await meanwhile?.({ runId, untilPending });
    while (!(await world.rowOf(runId)).started) await sleep(100);
    await handle.result();
    const history = await handle.fetchHistory();
    const file = join(import.meta.dirname, "histories", `${name}.json`);
    writeFileSync(file, `${JSON.stringify(JSON.parse(historyToJSON(history), withoutMachine), null, 1)}\n`);
    const { status, cause } = await world.rowOf(runId);
    console.log(`${name}: ${history.events?.length} events, ${status} ${cause ?? ""}`);
    await scrum.door("DELETE", "/behaviour");
    await dispatcher.stop();
  }
} finally {
  workspace.shutdown();
  await Promise.all([working, stopControl()]);
  await native.close();
  await Promise.all([world.stop(), scrum.end()]);
}
