import { setTimeout as sleep } from "node:timers/promises";
import { timestampFromMs, timestampNow } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, it } from "vitest";
import { DesiredState } from "../../src/gen/workflows_runtime/v1/run_pb.ts";
import { HandoffProgress } from "../../src/gen/workflows_runtime/v1/run_worker_service_pb.ts";
import {
  cancelWished,
  distinct,
  failedVerdict,
  inAnHour,
  limitIn,
  never,
  pending,
} from "../support/worlds/scripted-api.ts";
import type { WorkflowWorld } from "../support/worlds/workflow-world.ts";
import { aRun, startRun, startWorkflowWorld, untilPending } from "../support/worlds/workflow-world.ts";

let world: WorkflowWorld;
beforeAll(async () => {
  world = await startWorkflowWorld();
});
afterAll(() => world?.stop());

it("takes a good run through begin, prepare, hand-off and commit in one workflow task", async () => {
  const lengths: number[] = [];
  while (lengths.length < 10 && !lengths.some((length) => length <= 12)) {
    // on a busy machine a call may miss the time of its local form, and one more is tried
    const run = aRun();
    await (await startRun(world, run)).result();
    expect(distinct(world.api.calls(run.runId))).toEqual(["beginRun", "prepareSeal", "deliverHandoff", "commitSeal"]);
    const { events } = await world.client.workflow.getHandle(`automation-run/acme/${run.runId}/g1`).fetchHistory();
    lengths.push(events?.length ?? Number.POSITIVE_INFINITY);
  }
  expect(Math.min(...lengths)).toBeLessThanOrEqual(12);
});

it("makes no further call when the first one went to the end", async () => {
  const run = aRun();
  const handoff = { progress: HandoffProgress.ACCEPTED };
  const verdict = { passed: true, level: "SCRUM_DONE", lines: [] };
  world.api.script(run.runId, { prepareSeal: () => ({ verdict, handoff, commit: { committed: true } }) });
  expect(await (await startRun(world, run)).result()).toMatchObject({ outcome: "RUN_STATUS_COMPLETED" });
  expect(distinct(world.api.calls(run.runId))).toEqual(["beginRun", "prepareSeal"]);
});

it("ends FAILED with the unmet lines when the verdict did not pass", async () => {
  const run = aRun();
  world.api.script(run.runId, { prepareSeal: () => failedVerdict });
  await (await startRun(world, run)).result();
  expect(world.api.calls(run.runId)).toEqual(["beginRun", "prepareSeal", "abortSeal FAILED verdict_failed"]);
  expect(world.api.aborts(run.runId)[0]?.reason).toBe(
    "the verdict did not pass: tests missing: 0 of 1 test results: run a plan with a test step",
  );
});

it("ends FAILED with the receiver's reason when the hand-off is refused", async () => {
  const run = aRun();
  world.api.script(run.runId, {
    deliverHandoff: () => ({ progress: HandoffProgress.REFUSED, reason: "the sprint is closed" }),
  });
  await (await startRun(world, run)).result();
  expect(world.api.aborts(run.runId)).toMatchObject([{ cause: "handoff_refused", reason: "the sprint is closed" }]);
});

it("waits for a silent receiver by Temporal's retry, then commits", async () => {
  const run = aRun();
  let rounds = 0;
  world.api.script(run.runId, {
    deliverHandoff: () => (++rounds < 4 ? pending() : { progress: HandoffProgress.ACCEPTED }),
  });
  await (await startRun(world, run)).result();
  expect(rounds).toBe(4);
  expect(world.api.calls(run.runId).at(-1)).toBe("commitSeal");
});

it("is cancelled by a doorbell while it waits for a receiver, and only if the api wishes it", async () => {
  const run = aRun();
  let asked = 0;
  world.api.script(run.runId, {
    deliverHandoff: pending,
    reportStatus: () => (++asked === 1 ? { desiredState: DesiredState.RUN } : cancelWished),
  });
  const handle = await startRun(world, run);
  await world.api.called(run.runId, "deliverHandoff");
  expect(await world.temporal.ring(run)).toEqual({ state: "rung" });
  await world.api.called(run.runId, "reportStatus");
  expect(world.api.aborts(run.runId)).toEqual([]);
  await world.temporal.ring(run);
  await handle.result();
  expect(asked).toBe(2);
  expect(world.api.calls(run.runId)).toContain("abortSeal CANCELLED cancelled");
  expect(await world.temporal.ring(run)).toEqual({ state: "absent" });
});

it("is cancelled by any answer that carries the wish", async () => {
  for (const script of [
    { beginRun: () => ({ ...cancelWished, ...inAnHour() }) },
    { prepareSeal: () => cancelWished },
    { deliverHandoff: () => ({ ...pending(), ...cancelWished }) },
    { commitSeal: () => ({ committed: false }) },
  ]) {
    const run = aRun();
    world.api.script(run.runId, script);
    await (await startRun(world, run)).result();
    expect(world.api.calls(run.runId).at(-1)).toBe("abortSeal CANCELLED cancelled");
  }
});

it("seals CANCELLED when Temporal itself is asked to cancel, also before it has begun", async () => {
  const waiting = aRun();
  world.api.script(waiting.runId, { deliverHandoff: pending });
  const handle = await startRun(world, waiting);
  await world.api.called(waiting.runId, "deliverHandoff");
  await handle.cancel();
  await handle.result();
  expect(world.api.calls(waiting.runId)).toContain("abortSeal CANCELLED cancelled");

  const early = aRun();
  let isBack = false;
  world.api.script(early.runId, {
    beginRun: (context) => (isBack ? { plan: {}, ...inAnHour() } : never(context)),
  });
  const second = await startRun(world, early);
  await untilPending(world, early, "beginRun");
  await second.cancel();
  isBack = true;
  await second.result();
  expect(distinct(world.api.calls(early.runId))).toEqual(["beginRun", "abortSeal CANCELLED cancelled"]);
});

it("ends TIMED_OUT when a limit has passed, with its cause, whatever it waits for", async () => {
  for (const [silent, script] of [
    ["prepareSeal", { prepareSeal: never }],
    ["deliverHandoff", { deliverHandoff: pending }],
    ["commitSeal", { commitSeal: never }],
  ] as const) {
    const run = aRun();
    world.api.script(run.runId, { ...limitIn(3_000), ...script });
    await (await startRun(world, run)).result();
    expect(world.api.calls(run.runId)).toContain(silent);
    expect(world.api.calls(run.runId).at(-1)).toBe("abortSeal TIMED_OUT work_limit_exceeded");
    expect(world.api.aborts(run.runId)[0]?.reason).toBe("its work took too long");
  }
});

it("goes on for as long as the api knows of no limit that has passed, and asks again when it says", async () => {
  const run = aRun();
  const asked: number[] = [];
  world.api.script(run.runId, {
    beginRun: () => ({ plan: {}, noLimitBefore: timestampNow() }),
    reportStatus: () => {
      asked.push(Date.now());
      return { noLimitBefore: timestampFromMs(Date.now() + 1_000) };
    },
    deliverHandoff: async () => {
      while (asked.length < 3) await sleep(50);
      return { progress: HandoffProgress.ACCEPTED };
    },
  });
  const handle = await startRun(world, run);
  await handle.result();
  expect(world.api.calls(run.runId)).toContain("commitSeal"); // a question on its way may come later
  for (const [n, at] of asked.entries()) if (n > 0) expect(at - (asked[n - 1] ?? 0)).toBeGreaterThanOrEqual(900);
  const { events } = await handle.fetchHistory();
  const looks = events?.filter(
    ({ activityTaskScheduledEventAttributes: task }) => task?.activityType?.name === "awaitLimit",
  );
  expect(looks).toHaveLength(1); // however often it asks, its history grows by one activity
});

it("asks on when the api names no limit", async () => {
  const run = aRun();
  let asked = 0;
  world.api.script(run.runId, {
    beginRun: () => ({ plan: {}, noLimitBefore: timestampNow() }),
    reportStatus: () => {
      asked += 1;
      return {};
    },
    deliverHandoff: async () => {
      while (asked < 3) await sleep(50);
      return { progress: HandoffProgress.ACCEPTED };
    },
  });
  await (await startRun(world, run)).result();
  expect(world.api.calls(run.runId)).toContain("commitSeal"); // a question on its way may come later
});

it("waits for a round of tries for as long as a receiver may take, and asks for no other meanwhile", async () => {
  const run = aRun();
  const answered = sleep(15_000).then(() => ({ progress: HandoffProgress.ACCEPTED })); // 3 s of local tries, and more than any other call may take
  world.api.script(run.runId, { deliverHandoff: () => answered });
  await (await startRun(world, run)).result();
  expect(world.api.calls(run.runId).filter((call) => call === "deliverHandoff").length).toBeLessThanOrEqual(3);
  expect(world.api.calls(run.runId).at(-1)).toBe("commitSeal");
});

it("ends TIMED_OUT without a try when it begins after a limit", async () => {
  const run = aRun();
  world.api.script(run.runId, limitIn(-60_000));
  await (await startRun(world, run)).result();
  expect(world.api.calls(run.runId)).toEqual(["beginRun", "abortSeal TIMED_OUT work_limit_exceeded"]);
});

it("ends without effects when another execution speaks for the run", async () => {
  const refused = aRun();
  world.api.script(refused.runId, { beginRun: () => ({ refused: true }) });
  await (await startRun(world, refused)).result();
  expect(world.api.calls(refused.runId)).toEqual(["beginRun"]);

  const superseded = aRun();
  world.api.script(superseded.runId, {
    commitSeal: () => {
      throw new ConnectError("another execution speaks for the run", Code.Aborted);
    },
  });
  await (await startRun(world, superseded)).result();
  expect(world.api.calls(superseded.runId).at(-1)).toBe("commitSeal");
});

it("ends FAILED as internal when the api finds a call wrong for good", async () => {
  const run = aRun();
  world.api.script(run.runId, {
    prepareSeal: () => {
      throw new ConnectError("the profile is gone", Code.FailedPrecondition);
    },
  });
  await (await startRun(world, run)).result();
  expect(world.api.aborts(run.runId)).toMatchObject([{ cause: "internal", reason: "the profile is gone" }]);
});

it("goes on by the regular form when the api was away, and grows the history little", async () => {
  const run = aRun();
  await world.api.shut();
  const handle = await startRun(world, run);
  await untilPending(world, run, "beginRun");
  await world.api.open();
  await handle.result();
  expect(distinct(world.api.calls(run.runId))).toEqual(["beginRun", "prepareSeal", "deliverHandoff", "commitSeal"]);
  const { events } = await handle.fetchHistory();
  expect(events?.length).toBeLessThanOrEqual(18);
});

it("goes on when the connection breaks within a call, instead of taking that for an answer", async () => {
  const run = aRun();
  let isBroken = false;
  world.api.script(run.runId, {
    commitSeal: async () => {
      if (!isBroken) {
        isBroken = true;
        await world.api.shut();
        await world.api.open();
      }
      return { committed: true };
    },
  });
  await (await startRun(world, run)).result();
  expect(world.api.calls(run.runId).filter((call) => call === "commitSeal").length).toBeGreaterThan(1);
  expect(world.api.aborts(run.runId)).toEqual([]);
});
