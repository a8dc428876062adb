import { ApplicationFailure, Context } from "@temporalio/activity";
import { afterAll, beforeAll, expect, it } from "vitest";
import { workFailed } from "../../src/drivers/temporal/contract.ts";
import { cancelWished, distinct, limitIn, withWork } from "../support/worlds/scripted-api.ts";
import type { WorkflowWorld } from "../support/worlds/workflow-world.ts";
import {
  aRun,
  startRun,
  startWorkflowWorld,
  untilPending,
  untilStopped,
  workDone,
} from "../support/worlds/workflow-world.ts";

/** The workflow of a run that has work: when it is asked for, counted, begun anew and stopped. */
let world: WorkflowWorld;
beforeAll(async () => {
  world = await startWorkflowWorld();
});
afterAll(() => world?.stop());

it("lets a run with steps be worked on before it is judged, on the queue of its class", async () => {
  const run = aRun();
  world.api.script(run.runId, { beginRun: withWork });
  world.work(run.runId, async (scope) => {
    expect(scope).toMatchObject({ tenant: "acme", runId: run.runId, generation: 1 });
    expect(world.api.calls(run.runId)).toEqual(["beginRun"]);
    return workDone;
  });
  await (await startRun(world, run)).result();
  expect(world.api.calls(run.runId)).toEqual(["beginRun", "prepareSeal", "deliverHandoff", "commitSeal"]);
});

it("ends FAILED with the cause of work that failed, and judges nothing", async () => {
  const run = aRun();
  world.api.script(run.runId, { beginRun: withWork });
  world.work(run.runId, async () => ({ outcome: "WORK_OUTCOME_FAILED", cause: "gave_up", reason: "no idea" }));
  await (await startRun(world, run)).result();
  expect(world.api.calls(run.runId)).toEqual(["beginRun", "abortSeal FAILED gave_up"]);
  expect(world.api.aborts(run.runId)).toMatchObject([{ reason: "no idea" }]);
});

it("works on the segments one after the other, and ends with the first one that failed", async () => {
  const [whole, broken] = [aRun(), aRun()];
  const segments = [{ segment: 1 }, { segment: 2 }, { segment: 3 }];
  const worked = new Map<string, number[]>([whole, broken].map(({ runId }) => [runId, []]));
  for (const run of [whole, broken]) {
    world.api.script(run.runId, { beginRun: () => ({ ...withWork(), pins: { ...withWork().pins, segments } }) });
    world.work(run.runId, async ({ runId }, _, segment) => {
      worked.get(runId)?.push(segment);
      if (runId === whole.runId || segment < 2) return workDone;
      return { outcome: "WORK_OUTCOME_FAILED", cause: "gave_up", reason: "no idea" };
    });
  }
  await Promise.all([whole, broken].map(async (run) => (await startRun(world, run)).result()));
  expect([...worked.values()]).toEqual([
    [1, 2, 3],
    [1, 2],
  ]);
  expect([whole, broken].map(({ runId }) => world.api.calls(runId).at(-1))).toEqual([
    "commitSeal",
    "abortSeal FAILED gave_up",
  ]);
});

it("begins work anew for as long as it waits for something or loses its worker, and counts none of it", async () => {
  const run = aRun();
  let tries = 0;
  world.api.script(run.runId, { beginRun: withWork });
  world.work(run.runId, async () => {
    tries += 1;
    if (tries < 7)
      throw ApplicationFailure.create({ message: "the disk is full", type: "Waiting", nextRetryDelay: 50 });
    return workDone;
  });
  await (await startRun(world, run)).result();
  expect([tries, world.api.calls(run.runId).at(-1)]).toEqual([7, "commitSeal"]);
});

it("ends FAILED when the work failed three times for a fault of ours, and counts its attempts on", async () => {
  const [healed, lost] = [aRun(), aRun()];
  const begun: number[] = [];
  const failed = (attempt: number) =>
    ApplicationFailure.create({ message: "a bug", type: workFailed, nonRetryable: true, details: [attempt] });
  for (const run of [healed, lost]) world.api.script(run.runId, { beginRun: withWork });
  world.work(healed.runId, async (_, fault) => {
    const attempt = (fault?.attempt ?? 0) + Context.current().info.attempt;
    begun.push(attempt);
    if (attempt === 1) throw ApplicationFailure.create({ message: "away", type: "Waiting", nextRetryDelay: 50 });
    if (attempt < 4) throw failed(attempt);
    return workDone;
  });
  const faults: unknown[] = [];
  world.work(lost.runId, (_, fault) => {
    faults.push(fault);
    return Promise.reject(failed((fault?.attempt ?? 0) + 1));
  });
  await Promise.all([healed, lost].map(async (run) => (await startRun(world, run)).result()));
  expect([begun, world.api.calls(healed.runId).at(-1)]).toEqual([[1, 2, 3, 4], "commitSeal"]);
  expect(world.api.aborts(lost.runId)).toMatchObject([{ cause: "internal", reason: "a bug" }]);
  const told = { most: 3, reason: "a bug" };
  expect(faults).toEqual([undefined, { ...told, count: 1, attempt: 1 }, { ...told, count: 2, attempt: 2 }]);
});

it("stops the work of a run that is cancelled, and seals only when the work has ended", async () => {
  const run = aRun();
  let isStopped = false;
  world.api.script(run.runId, {
    beginRun: withWork,
    reportStatus: () => cancelWished,
    abortSeal: () => {
      expect(isStopped).toBe(true);
      return undefined;
    },
  });
  world.work(run.runId, () =>
    untilStopped().finally(() => {
      isStopped = true;
    }),
  );
  const handle = await startRun(world, run);
  await untilPending(world, run, "workSegment");
  await world.temporal.ring(run);
  await handle.result();
  expect(world.api.calls(run.runId)).toEqual(["beginRun", "reportStatus", "abortSeal CANCELLED cancelled"]);
});

it("stops the work when its limit has passed", async () => {
  const run = aRun();
  world.api.script(run.runId, limitIn(1_500, withWork()));
  world.work(run.runId, untilStopped);
  await (await startRun(world, run)).result();
  expect(distinct(world.api.calls(run.runId))).toEqual([
    "beginRun",
    "reportStatus",
    "abortSeal TIMED_OUT work_limit_exceeded",
  ]);
});
