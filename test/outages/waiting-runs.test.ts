import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { stringify } from "yaml";
import type { OutageWorld } from "../support/worlds/outage-world.ts";
import { attemptsOf, changesOf, patience, startOutageWorld } from "../support/worlds/outage-world.ts";
import { must, startWork } from "../support/worlds/work-scene.ts";

let world: OutageWorld;

beforeAll(async () => {
  world = await startOutageWorld({
    slow: { ms: 2_000 },
    hurried: { ms: 2_000, timeLimit: "12s" },
    short: { ms: 1_000, timeLimit: "20s" },
  });
});
afterEach(() => world?.emptyRunArea());
afterAll(() => world?.stop());

it("a store that answers 507 is waited for, and the run says so", async () => {
  const runId = await startWork(world.dir, "slow");
  await world.until(runId, (events) => changesOf(events) === 1);
  const store = await world.replaceStore();
  await vi.waitFor(async () => {
    const { run } = await world.describeRun(runId);
    expect(run?.waiting?.reason).toMatch(/object store answers 507/);
  }, patience);
  const shown = await must(world.dir, "run", "describe", runId);
  expect(shown).toMatch(/waits for .*object store answers 507 \(attempt 1, goes on at /);
  await store.giveBack();
  expect(await world.ended(runId)).toBe("COMPLETED");
  expect(attemptsOf(await world.eventsOf(runId))).toEqual([1]);
});

it("work whose time runs out while it waits is TIMED_OUT, and says what it waited for", async () => {
  const runId = await startWork(world.dir, "hurried");
  await world.until(runId, (events) => changesOf(events) === 1);
  const store = await world.replaceStore();
  await vi.waitFor(async () => {
    const { run } = await world.describeRun(runId);
    expect(Date.parse(run?.limit?.dueAt ?? "")).toBeLessThan(Date.now());
  }, patience);
  await store.giveBack();
  expect(await world.ended(runId)).toBe("TIMED_OUT");
  const { run } = await world.describeRun(runId);
  expect(run?.reason).toMatch(/^its work took longer than its limit of 12 s; .*object store answers 507/);
  const { rows } = await world.superuser.query("select cause from seals where run_id = $1", [runId]);
  expect(rows).toEqual([{ cause: "work_limit_exceeded" }]);
});

it("16 runs that wait in the queue for longer than their work may take all COMPLETE, and raise no impediment", async () => {
  world.fillRunArea(); // nobody takes one up before all are there
  await vi.waitFor(async () => expect(await world.readinessOf("workspace")).toMatchObject({ status: 503 }), patience);
  const runs: string[] = [];
  for (let n = 0; n < 4; n += 1)
    runs.push(...(await Promise.all([1, 2, 3, 4].map(() => startWork(world.dir, "short")))));
  await vi.waitFor(async () => {
    const { rows } = await world.superuser.query(
      "select extract(epoch from now() - min(created_at))::float8 as waited from runs where run_id = any($1)",
      [runs],
    );
    expect(rows[0].waited).toBeGreaterThan(20);
  }, patience);
  world.emptyRunArea();
  await vi.waitFor(
    async () => {
      const { rows } = await world.superuser.query(
        "select count(*)::int as n from runs where run_id = any($1) and ended_at is not null",
        [runs],
      );
      expect(rows[0].n).toBe(16);
    },
    { timeout: 200_000, interval: 500 },
  );
  const { rows } = await world.superuser.query<{ status: string; waited: number }>(
    "select status, extract(epoch from work_begun_at - created_at)::float8 as waited from runs where run_id = any($1)",
    [runs],
  );
  expect(rows.filter(({ status }) => status !== "COMPLETED")).toEqual([]);
  expect(Math.max(...rows.map(({ waited }) => waited))).toBeGreaterThan(20);
  const { rows: raised } = await world.superuser.query("select cause from impediments where last_run_id = any($1)", [
    runs,
  ]);
  expect(raised).toEqual([]);
}, 300_000);

it("a receiver that is away for longer than the work may take is waited for", async () => {
  await must(world.dir, "apply", "-f", briefDefinition());
  const scrum = world.pidOf("scrum");
  process.kill(scrum, "SIGSTOP");
  try {
    const asked = ["--profile", "scrum-team", "--definition", "brief", "--work-kind", "story"];
    const about = ["--context", "{scrum: {product: webshop, sprint: S-7, backlogItems: [PBI-7]}}"];
    const { runId } = JSON.parse(await must(world.dir, "run", "start", ...asked, ...about, "--json")) as {
      runId: string;
    };
    await vi.waitFor(async () => {
      const { run } = await world.describeRun(runId);
      expect(run).toMatchObject({ status: "RUN_STATUS_SEALING", limit: { cause: "handoff_limit_exceeded" } });
      expect(Date.now()).toBeGreaterThan(Date.parse(run?.workBegunAt ?? "") + 8_000); // twice its limit
    }, patience);
    process.kill(scrum, "SIGCONT");
    expect(await world.ended(runId)).toBe("COMPLETED");
  } finally {
    process.kill(scrum, "SIGCONT");
  }
});

/** A definition without steps, whose work may take 4 s. */
function briefDefinition(): string {
  const file = join(world.dir, "scene", "brief.yaml");
  const spec = { definitionId: "brief", version: "1", channel: "stable", plan: { timeLimit: "4s" } };
  writeFileSync(file, stringify({ kind: "WorkflowDefinition", spec }));
  return file;
}
