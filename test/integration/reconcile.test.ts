import { randomUUID } from "node:crypto";
import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { controlTaskQueue, workflowIdOf } from "../../src/drivers/temporal/contract.ts";
import { RunStatus } from "../../src/gen/automation/v1/run_event_pb.ts";
import type { ApiClient } from "../support/worlds/api.ts";
import { declare, errorOf, profileOf, startCapabilityOf, startRun } from "../support/worlds/api.ts";
import type { ReconcileWorld } from "../support/worlds/reconcile-world.ts";
import { startReconcileWorld, until } from "../support/worlds/reconcile-world.ts";

/** What Postgres and Temporal say of runs is made one again: with the api as it is, real loops, a real Temporal, and workers that are there when a test says so. */
let world: ReconcileWorld;
let acme: ApiClient;
let globex: ApiClient;
let running: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  world = await startReconcileWorld();
  acme = await world.api.clientOf({ roles: ["admin"] });
  globex = await world.api.clientOf({ roles: ["admin"], tenant: "globex" });
  await Promise.all([declare(acme), declare(globex)]);
  const gates = [{ id: "done", requirements: [{ id: "tested", kind: "test-result", remedy: "Add a test step." }] }];
  await acme.profiles.publishProfile({ profile: { ...profileOf("tested"), gates } });
}, 120_000);
afterEach(async () => {
  await Promise.all(running.map((stop) => stop()));
  running = [];
  await world.api.admin.query(
    "update runs set status = 'FAILED', ended_at = now(), due_at = null where ended_at is null",
  );
  await world.api.admin.query("truncate reconciliations");
});
afterAll(() => world?.stop());

const dispatch = (maxUnbegun?: number) => {
  const dispatcher = world.dispatch(maxUnbegun);
  running.push(dispatcher.stop);
  return dispatcher.reconcile;
};
const work = async () => void running.push(await world.work());
const handleOf = (runId: string, tenant = "acme") => world.client.workflow.getHandle(workflowIdOf(tenant, runId, 1));
const isStarted = (runId: string) => until(async () => (await world.rowOf(runId)).started);
const endOf = async (runId: string) => {
  await until(async () =>
    ["COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"].includes((await world.rowOf(runId)).status),
  );
  const { status, cause, generation } = await world.rowOf(runId);
  return `${status} ${cause} g${generation}`.replace("  ", " ");
};
const remove = (runId: string, generation = 1) =>
  world.client.workflowService.deleteWorkflowExecution({
    namespace: world.client.options.namespace,
    workflowExecution: { workflowId: workflowIdOf("acme", runId, generation) },
  });

/** A run whose workflow is at Temporal, and which somebody has begun in its place; nobody else works on it. */
async function begunRun(profile = "team") {
  const runId = await startRun(acme, { profile });
  await isStarted(runId);
  const { runId: firstExecutionRunId } = await handleOf(runId).describe();
  const execution = { runId, generation: 1, firstExecutionRunId };
  const startCapability = await startCapabilityOf(world.api.admin, runId);
  expect(await world.workerApi.runWorker.beginRun({ execution, startCapability })).toMatchObject({ refused: false });
  return { runId, execution };
}

/** Answers the run's workflow task in the place of a worker: the workflow is over at Temporal, and the api knows nothing of it. */
async function closeWorkflow(runId: string, how: "complete" | "fail"): Promise<void> {
  const { workflowService, options } = world.client;
  const { namespace } = options;
  for (;;) {
    const task = await world.client.connection.withDeadline(Date.now() + 50_000, () =>
      workflowService.pollWorkflowTaskQueue({ namespace, taskQueue: { name: controlTaskQueue } }),
    );
    const command =
      how === "complete"
        ? { commandType: 4, completeWorkflowExecutionCommandAttributes: {} }
        : { commandType: 5, failWorkflowExecutionCommandAttributes: { failure: { message: "no way\u202e on" } } };
    const isMine = task.workflowExecution?.workflowId === handleOf(runId).workflowId;
    await workflowService.respondWorkflowTaskCompleted({
      namespace,
      taskToken: task.taskToken,
      identity: "test",
      commands: isMine ? [command as never] : [],
    });
    if (isMine) return;
  }
}

describe("a run whose workflow Temporal has lost", () => {
  it("goes on from where it was, whatever its state, to a truthful end, with two dispatchers at it", async () => {
    dispatch();
    dispatch();
    const admitted = await startRun(acme);
    await isStarted(admitted);
    const [preparing, running, evaluating, sealing] = await Promise.all([
      begunRun(),
      begunRun(),
      begunRun("tested"),
      begunRun(),
    ]);
    if (!preparing || !running || !evaluating || !sealing) throw new Error("four were begun");
    await world.api.admin.query("update runs set status = 'RUNNING' where run_id = $1", [running.runId]);
    for (const { execution } of [evaluating, sealing]) await world.workerApi.runWorker.prepareSeal({ execution });
    const lost = [preparing, running, evaluating, sealing];
    const states = await Promise.all(lost.map(async ({ runId }) => (await world.rowOf(runId)).status));
    expect(states).toEqual(["PREPARING", "RUNNING", "EVALUATING", "SEALING"]);

    await world.wipeTemporal();
    await work();
    const runs = [admitted, ...lost.map(({ runId }) => runId)];
    expect(await Promise.all(runs.map(endOf))).toEqual([
      "COMPLETED g2",
      "COMPLETED g2",
      "COMPLETED g2",
      "FAILED verdict_failed g2",
      "COMPLETED g2",
    ]);
    for (const { execution } of lost)
      expect((await errorOf(world.workerApi.runWorker.commitSeal({ execution }))).code).toBe(Code.Aborted);
    const { rows } = await world.api.admin.query(
      "select count(*)::int as n, bool_and(closed) as closed from run_streams where run_id = any($1)",
      [runs],
    );
    expect(rows).toEqual([{ n: 5, closed: true }]);
  }, 120_000);

  it("is driven anew when its workflow was deleted, and gives up after the fourth", async () => {
    dispatch();
    const { runId } = await begunRun();
    for (const generation of [1, 2, 3, 4]) {
      await until(async () => {
        const row = await world.rowOf(runId);
        return row.generation === generation && row.started;
      });
      await remove(runId, generation);
    }
    expect(await endOf(runId)).toBe("FAILED workflow_lost g4");
  });

  it("gives its place back, so that another tenant's run starts", async () => {
    const reconcile = dispatch(2);
    const lost = await Promise.all([startRun(acme), startRun(acme)]);
    await Promise.all(lost.map(isStarted));
    const waiting = await startRun(globex);
    await until(async () => reconcile.isReleaseStuck());
    await until(async () => (await acme.requests.listQueue({})).heldUp.length === lost.length);
    const { runs, heldUp } = await acme.requests.listQueue({});
    expect(runs).toMatchObject([{ status: RunStatus.ADMITTED, count: 2, waiting: 0, starting: 2 }]);
    expect(heldUp.map(({ runId, finding, due }) => ({ runId, finding, due })).toSorted(byRun)).toEqual(
      lost.map((runId) => ({ runId, finding: "unbegun", due: false })).toSorted(byRun),
    );
    expect((await globex.requests.listQueue({})).runs).toMatchObject([{ count: 1, waiting: 1, starting: 0 }]);

    await Promise.all(lost.map((runId) => remove(runId)));
    await work();
    expect(await endOf(waiting)).toBe("COMPLETED g1");
    expect(await Promise.all(lost.map(endOf))).toEqual(["COMPLETED g2", "COMPLETED g2"]);
    await until(async () => !reconcile.isReleaseStuck());
    expect(await acme.requests.listQueue({})).toMatchObject({ runs: [], heldUp: [] });
  });

  it("ends CANCELLED when that is asked, and what it had prepared is discarded", async () => {
    dispatch();
    const [begun, sealing] = await Promise.all([begunRun(), begunRun()]);
    await world.workerApi.runWorker.prepareSeal({ execution: sealing.execution });
    await Promise.all([remove(begun.runId), remove(sealing.runId)]);
    await Promise.all([begun, sealing].map(({ runId }) => acme.workflows.cancelWorkflowRun({ runId })));
    expect(await Promise.all([endOf(begun.runId), endOf(sealing.runId)])).toEqual([
      "CANCELLED cancelled g1",
      "CANCELLED cancelled g1",
    ]);
    expect((await world.rowOf(sealing.runId)).seal).toBe("ABORTED");
    const { rows } = await world.api.admin.query(
      "select distinct status from attestations where run_id = $1 and seal_outcome = 'COMPLETED'",
      [sealing.runId],
    );
    expect(rows).toEqual([{ status: "DISCARDED" }]);
  });
});

const byRun = (a: { runId: string }, b: { runId: string }) => a.runId.localeCompare(b.runId);

describe("a run whose workflow was closed at Temporal", () => {
  it("ends with that cause when it was terminated or failed, in words that can't steer a terminal", async () => {
    dispatch();
    const [terminated, failed] = await Promise.all([begunRun(), begunRun()]);
    const unbegun = await startRun(acme);
    await isStarted(unbegun);
    await handleOf(terminated.runId).terminate("wrong sprint");
    await handleOf(unbegun).terminate();
    await closeWorkflow(failed.runId, "fail");
    expect(await Promise.all([terminated.runId, failed.runId, unbegun].map(endOf))).toEqual([
      "FAILED workflow_terminated g1",
      "FAILED workflow_failed g1",
      "FAILED workflow_terminated g1",
    ]);
    const reasonOf = async (runId: string) => (await acme.workflows.describeWorkflowRun({ runId })).run?.reason;
    expect(await reasonOf(terminated.runId)).toBe("its Temporal workflow was terminated: wrong sprint");
    expect(await reasonOf(failed.runId)).toBe("its Temporal workflow failed: no way\\u202e on");
  });

  it("is driven anew when the workflow ended without an end of the run", async () => {
    dispatch();
    const { runId } = await begunRun();
    await closeWorkflow(runId, "complete");
    await work();
    expect(await endOf(runId)).toBe("COMPLETED g2");
  });

  it("is left to the workflow that was reset", async () => {
    dispatch();
    const runId = await startRun(acme);
    await isStarted(runId);
    await world.api.shut(); // so that its workflow waits
    await work();
    const handle = handleOf(runId);
    await until(async () => ((await handle.describe()).raw.pendingActivities ?? []).length > 0);
    const { runId: first } = await handle.describe();
    await world.client.workflowService.resetWorkflowExecution({
      namespace: world.client.options.namespace,
      workflowExecution: { workflowId: handle.workflowId, runId: first },
      workflowTaskFinishEventId: 4 as never,
      requestId: randomUUID(),
      reason: "a test",
    });
    await world.api.start();
    expect(await endOf(runId)).toBe("COMPLETED g1");
    expect((await handle.describe()).runId).not.toBe(first);
  });
});

describe("a run that can't be begun", () => {
  it("is cancelled at once when that is asked, with its workflow or without", async () => {
    dispatch(1);
    const started = await startRun(acme);
    await isStarted(started);
    const waiting = await startRun(acme);
    for (const runId of [waiting, started]) await acme.workflows.cancelWorkflowRun({ runId });
    expect(await Promise.all([started, waiting].map(endOf))).toEqual([
      "CANCELLED cancelled g1",
      "CANCELLED cancelled g1",
    ]);
    await work();
    await handleOf(started).result(); // it is refused, and ends without effects
    expect((await world.rowOf(started)).status).toBe("CANCELLED");
  });

  it("ends FAILED when Temporal refuses its workflow for good, and its neighbours start", async () => {
    const [bad, good] = await Promise.all([startRun(acme), startRun(acme)]);
    await world.api.admin.query("update runs set event_id = repeat('x', 5000) where run_id = $1", [bad]);
    dispatch();
    await work();
    expect(await endOf(good)).toBe("COMPLETED g1");
    expect(await endOf(bad)).toBe("FAILED start_refused g1");
  });

  it("ends TIMED_OUT after its deadline: not started, not begun, and begun with no worker left", async () => {
    dispatch(1);
    const { runId: begun } = await begunRun();
    const unbegun = await startRun(acme);
    await isStarted(unbegun);
    const waiting = await startRun(acme);
    const runs = [begun, unbegun, waiting];
    await world.api.admin.query("update runs set deadline_at = now(), due_at = now() where run_id = any($1)", [runs]);
    expect(await Promise.all(runs.map(endOf))).toEqual(runs.map(() => "TIMED_OUT deadline_exceeded g1"));
  });
});
