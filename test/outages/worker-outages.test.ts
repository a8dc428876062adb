import { renameSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { folderOf } from "../../local/up/state-folder.ts";
import type { OutageWorld } from "../support/worlds/outage-world.ts";
import { attemptsOf, changesOf, patience, startOutageWorld } from "../support/worlds/outage-world.ts";
import { startWork } from "../support/worlds/work-scene.ts";

let world: OutageWorld;

beforeAll(async () => {
  world = await startOutageWorld({ slow: { ms: 2_000 }, lasting: { ms: 20_000 } });
});
afterEach(() => world?.emptyRunArea());
afterAll(() => world?.stop());

it("three orderly ends of the worker cost a run time and none of its attempts", async () => {
  const runId = await startWork(world.dir, "slow");
  for (const attempt of [1, 2, 3]) {
    await world.until(runId, (events) => attemptsOf(events).at(-1) === attempt && changesOf(events) === attempt);
    await world.endAndAwaitReturn("workspace");
  }
  expect(await world.ended(runId)).toBe("COMPLETED");
  expect(attemptsOf(await world.eventsOf(runId))).toEqual([1, 2, 3, 4]);
});

it("a disk that fills up while a persona works: the worker says so and takes nothing, and goes on once there is room", async () => {
  const runId = await startWork(world.dir, "lasting");
  await world.until(runId, (events) => changesOf(events) === 1);
  world.fillRunArea();
  await vi.waitFor(async () => expect(await world.readinessOf("workspace")).toMatchObject({ status: 503 }), patience);
  const { parts } = await world.readinessOf("workspace");
  expect(parts).toMatchObject({ work: expect.stringMatching(/^the disk of the run area .* left/) });
  const waiting = await startWork(world.dir, "slow");
  const pid = world.pidOf("workspace");
  await vi.waitFor(async () => expect((await world.describeRun(runId)).run?.waiting?.reason).toBeDefined(), patience);
  expect((await world.describeRun(waiting)).run).toMatchObject({ limit: { cause: "queue_limit_exceeded" } });
  world.emptyRunArea();
  for (const each of [runId, waiting]) expect(await world.ended(each)).toBe("COMPLETED");
  expect(world.pidOf("workspace")).toBe(pid); // it has lived all the time
});

it("a sandbox that holds no longer: the worker says so and takes nothing, and goes on once it is proven anew", async () => {
  const toolchains = join(folderOf(world.dir).runArea, "toolchains");
  renameSync(toolchains, `${toolchains}-gone`); // no box can be made without
  const runId = await startWork(world.dir, "slow");
  await vi.waitFor(async () => {
    const { status, parts } = await world.readinessOf("workspace");
    expect([status, parts.work]).toEqual([503, expect.stringMatching(/toolchains/)]);
  }, patience);
  expect((await world.describeRun(runId)).run?.waiting?.reason).toMatch(/^the box can't be made/);
  renameSync(`${toolchains}-gone`, toolchains);
  expect(await world.ended(runId)).toBe("COMPLETED");
});
