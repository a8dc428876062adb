import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { timestampFromMs, timestampNow } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { ApplicationFailure, Context } from "@temporalio/activity";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { RunToStart } from "../../src/admission/workflows.ts";
import { workFailed } from "../../src/drivers/temporal/contract.ts";
import { RunStatus } from "../../src/gen/automation/v1/run_event_pb.ts";
import { DesiredState } from "../../src/gen/workflows_runtime/v1/run_pb.ts";
import { HandoffProgress } from "../../src/gen/workflows_runtime/v1/run_worker_service_pb.ts";
import { waitUntil } from "../support/worlds/api.ts";
import { failedVerdict, inAnHour, limitIn, never, withWork } from "../support/worlds/scripted-api.ts";
import type { WorkflowWorld } from "../support/worlds/workflow-world.ts";
import {
  aRun,
  startRun,
  startWorkflowWorld,
  untilPending,
  untilStopped,
  workDone,
} from "../support/worlds/workflow-world.ts";

let world: WorkflowWorld;
beforeAll(async () => {
  world = await startWorkflowWorld();
});
afterAll(() => world?.stop());

const cancelWished = { desiredState: DesiredState.CANCEL };
const pending = () => ({ progress: HandoffProgress.PENDING, reason: "scrum is silent" });
const distinct = (calls: readonly string[]) => [...new Set(calls)];

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

it("shows a run in Temporal by what it is and by its references as the program takes them, with goal and versions in the memo", async () => {
  const sprint = { kind: "sprint", id: "sprint-7", parent: { kind: "product", id: "shop" } };
  const references = {
    timeboxes: [sprint],
    goals: [{ kind: "sprint_goal", id: "discounts", parent: sprint }],
    workItems: [{ kind: "backlog_item", id: "PBI-77" }],
  };
  const personas = ["1.0.0", "2.0.0"].map((version) => ({ id: "test-fixer", version }));
  const run = aRun({ tenant: "umbrella", references, personas, goal: "mend the discount" });
  const handle = await startRun(world, run);
  await handle.result();
  const { memo, priority, searchAttributes } = await handle.describe();
  expect(JSON.stringify({ memo, searchAttributes })).not.toContain(run.startCapability);
  expect(memo).toMatchObject({
    goal: "mend the discount",
    definition: "increment-evidence@1.0.0",
    profile: "scrum-team@1",
    personas: ["test-fixer@1.0.0", "test-fixer@2.0.0"],
    references: ["backlog_item:PBI-77", "sprint_goal:discounts", "sprint:sprint-7", "product:shop"],
  });
  expect(searchAttributes).toMatchObject({
    TenantId: ["umbrella"],
    DefinitionId: ["increment-evidence"],
    CadenceId: ["sprint:sprint-7"],
    PersonaKeys: ["test-fixer"],
    ReferenceIds: ["backlog_item:PBI-77", "sprint_goal:discounts", "sprint:sprint-7", "product:shop"],
  });
  expect(priority).toMatchObject({ priorityKey: 3, fairnessKey: "umbrella" });
});

it("tells Temporal the end that the api sealed: as an attribute, in the memo, and as the result", async () => {
  const artifacts = [{ name: "events.ndjson", uri: "automation://acme/run/1/events.ndjson" }];
  const attestations = [{ id: "a-1", name: "agent-run", outcome: "FAILED" }];
  const [committed, aborted, overtaken] = [aRun(), aRun(), aRun()];
  world.api.script(committed.runId, { commitSeal: () => ({ committed: true, result: { artifacts, attestations } }) });
  world.api.script(aborted.runId, {
    prepareSeal: () => failedVerdict,
    abortSeal: () => ({ reason: "no tests", verdict: { unmet: ["tests missing"] }, artifacts, artifactsLeftOut: 3 }),
  });
  world.api.script(overtaken.runId, {
    prepareSeal: () => failedVerdict,
    abortSeal: () => ({ outcome: RunStatus.CANCELLED, reason: "cancelled by ann" }),
  });
  const shown = async (run: RunToStart) => {
    const handle = await startRun(world, run);
    const result = await handle.result();
    const { status, searchAttributes, memo } = await handle.describe();
    return { status: status.name, outcome: searchAttributes.RunOutcome, memo, result };
  };
  expect(await shown(committed)).toMatchObject({
    status: "COMPLETED",
    outcome: ["COMPLETED"],
    memo: { artifacts },
    result: { outcome: "RUN_STATUS_COMPLETED", artifacts, attestations },
  });
  expect(await shown(aborted)).toMatchObject({
    status: "COMPLETED",
    outcome: ["FAILED"],
    memo: { artifacts, artifactsLeftOut: 3, reason: "no tests", profile: "scrum-team@1" },
    result: { outcome: "RUN_STATUS_FAILED", verdict: { unmet: ["tests missing"] } },
  });
  expect(await shown(overtaken)).toMatchObject({ outcome: ["CANCELLED"], memo: { reason: "cancelled by ann" } });
});

it("is found by every query that the documentation prints", async () => {
  const references = {
    timeboxes: [{ kind: "sprint", id: "S-7" }],
    workItems: [{ kind: "backlog_item", id: "PBI-42" }],
  };
  const personas = [{ id: "test-fixer", version: "1" }];
  const run = () => aRun({ org: "retail", definitionId: "story-repair", cadenceId: "S-7", references, personas });
  const [failed, open, terminated] = [run(), run(), run()];
  world.api.script(failed.runId, { prepareSeal: () => failedVerdict });
  for (const { runId } of [open, terminated]) world.api.script(runId, { deliverHandoff: pending });
  await (await startRun(world, failed)).result();
  const handles = await Promise.all([open, terminated].map((each) => startRun(world, each)));
  await world.api.called(terminated.runId, "deliverHandoff");
  await handles[1]?.terminate();
  const docs = readFileSync(new URL("../../docs/bus-and-temporal.md", import.meta.url), "utf8");
  const queries = /--query`:\n\n```text\n([^`]+)```/.exec(docs)?.[1]?.trimEnd().split("\n") ?? [];
  expect(queries).toHaveLength(8);
  for (const query of queries) {
    const run = query.includes("!=") ? terminated : query.includes("Running") ? open : failed;
    const found = () =>
      world.client.workflow.count(`${query} AND WorkflowId STARTS_WITH "automation-run/acme/${run.runId}"`);
    await waitUntil(async () => (await found()).count === 1);
  }
  await handles[0]?.terminate();
});

it("tells Temporal no end where it told none: terminated, or another execution speaks", async () => {
  const [terminated, refused] = [aRun(), aRun()];
  world.api.script(terminated.runId, { deliverHandoff: pending });
  const stopped = await startRun(world, terminated);
  await world.api.called(terminated.runId, "deliverHandoff");
  await stopped.terminate();
  world.api.script(refused.runId, { beginRun: () => ({ refused: true }) });
  const gone = await startRun(world, refused);
  expect(await gone.result()).toEqual({
    reason: "another execution speaks for the run, or the run has ended; this one ended without effects",
  });
  for (const handle of [stopped, gone])
    expect((await handle.describe()).searchAttributes).not.toHaveProperty("RunOutcome");
});

it("starts a run whose lists are longer than Temporal's search attributes may be", async () => {
  const workItems = Array.from({ length: 100 }, (_, n) => ({ kind: "backlog_item", id: `${n}-${"ü".repeat(196)}` }));
  const run = aRun({ references: { workItems } });
  expect(await world.temporal.start(run)).toEqual({ state: "started" });
});

it("answers that a run is started when its workflow is open, and when it has closed", async () => {
  const run = aRun();
  world.api.script(run.runId, { deliverHandoff: pending });
  const handle = await startRun(world, run);
  expect(await world.temporal.start(run)).toEqual({ state: "started" });
  await handle.terminate();
  expect(await world.temporal.start(run)).toEqual({ state: "started" });
  expect((await handle.describe()).status.name).toBe("TERMINATED");
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
  expect(world.api.calls(run.runId).at(-1)).toBe("commitSeal");
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
  expect(world.api.calls(run.runId).at(-1)).toBe("commitSeal");
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
