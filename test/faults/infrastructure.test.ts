import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { createServer } from "node:http";
import { join } from "node:path";
import pg from "pg";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { stringify } from "yaml";
import { folderOf } from "../../local/up/state-folder.ts";
import type { RunEventJson } from "../../src/gen/automation/v1/run_event_pb.ts";
import type { DescribeWorkflowRunResponseJson } from "../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import { newStateDir, removeStateDir } from "../support/engines/stack.ts";
import type { RunningUp } from "../support/engines/up.ts";
import { notedProcesses, readUpFile, startUp } from "../support/engines/up.ts";
import { must, publishWork, startWork } from "../support/worlds/work-scene.ts";

/** Says that it has begun, and takes its time. */
const slow = (ms: number) => `
import { writeFileSync, writeSync } from "node:fs";
writeFileSync("/workspace/src/slow.js", "export const slow = true;\\n");
writeSync(3, JSON.stringify({ type: "message", text: "changed" }) + "\\n");
setTimeout(() => undefined, ${ms});
`;

let dir: string;
let up: RunningUp;
let superuser: pg.Client;
let filled: string;

beforeAll(async () => {
  dir = newStateDir();
  const { runArea } = folderOf(dir);
  mkdirSync(runArea, { mode: 0o711 });
  run("mount", "-t", "tmpfs", "-o", "size=1g,mode=711", "tmpfs", runArea);
  filled = join(runArea, "filled");
  up = startUp("--demo", "--state", dir);
  await up.until(({ event }) => event === "running");
  superuser = new pg.Client({ connectionString: readUpFile(dir).postgres.url });
  await superuser.connect();
  await publishWork(dir, "slow", slow(2_000), { more: [] });
  await publishWork(dir, "lasting", slow(20_000), { more: [] });
  await publishWork(dir, "hurried", slow(2_000), { more: [], timeLimit: "12s" });
  await publishWork(dir, "short", slow(1_000), { more: [], timeLimit: "20s" });
});
afterEach(() => rmSync(filled, { force: true }));
afterAll(async () => {
  await superuser?.end();
  up?.process.kill("SIGINT");
  await up?.exited;
  run("umount", folderOf(dir).runArea);
  removeStateDir(dir);
});

it("three orderly ends of the worker cost a run time and none of its attempts", async () => {
  const runId = await startWork(dir, "slow");
  for (const attempt of [1, 2, 3]) {
    await until(runId, (events) => attemptsOf(events).at(-1) === attempt && changesOf(events) === attempt);
    await endAndAwaitReturn("workspace");
  }
  expect(await ended(runId)).toBe("COMPLETED");
  expect(attemptsOf(await eventsOf(runId))).toEqual([1, 2, 3, 4]);
});

it("a disk that fills up while a persona works: the worker says so and takes nothing, and goes on once there is room", async () => {
  const runId = await startWork(dir, "lasting");
  await until(runId, (events) => changesOf(events) === 1);
  fillUp(filled);
  await vi.waitFor(async () => expect(await readinessOf("workspace")).toMatchObject({ status: 503 }), patience);
  const { parts } = await readinessOf("workspace");
  expect(parts).toMatchObject({ temporal: true, work: expect.stringMatching(/^the disk of the run area .* left/) });
  const waiting = await startWork(dir, "slow");
  const { pid } = notedProcesses(dir).get("workspace") ?? {};
  await vi.waitFor(async () => expect((await describeRun(runId)).run?.waiting?.reason).toBeDefined(), patience);
  expect((await describeRun(waiting)).run).toMatchObject({ limit: { cause: "queue_limit_exceeded" } });
  rmSync(filled);
  for (const each of [runId, waiting]) expect(await ended(each)).toBe("COMPLETED");
  expect(notedProcesses(dir).get("workspace")?.pid).toBe(pid); // it has lived all the time
});

it("a sandbox that holds no longer: the worker says so and takes nothing, and goes on once it is proven anew", async () => {
  const toolchains = join(folderOf(dir).runArea, "toolchains");
  renameSync(toolchains, `${toolchains}-gone`); // no box can be made without
  const runId = await startWork(dir, "slow");
  await vi.waitFor(async () => {
    const { status, parts } = await readinessOf("workspace");
    expect([status, parts.work]).toEqual([503, expect.stringMatching(/toolchains/)]);
  }, patience);
  expect((await describeRun(runId)).run?.waiting?.reason).toMatch(/^the box can't be made/);
  renameSync(`${toolchains}-gone`, toolchains);
  expect(await ended(runId)).toBe("COMPLETED");
});

it("a store that answers 507 is waited for, and the run says so", async () => {
  const runId = await startWork(dir, "slow");
  await until(runId, (events) => changesOf(events) === 1);
  const store = await replaceStore();
  await vi.waitFor(async () => {
    const { run } = await describeRun(runId);
    expect(run?.waiting?.reason).toMatch(/object store answers 507/);
  }, patience);
  const shown = await must(dir, "run", "describe", runId);
  expect(shown).toMatch(/waits for .*object store answers 507 \(attempt 1, goes on at /);
  await store.giveBack();
  expect(await ended(runId)).toBe("COMPLETED");
  expect(attemptsOf(await eventsOf(runId))).toEqual([1]);
});

it("work whose time runs out while it waits is TIMED_OUT, and says what it waited for", async () => {
  const runId = await startWork(dir, "hurried");
  await until(runId, (events) => changesOf(events) === 1);
  const store = await replaceStore();
  await vi.waitFor(async () => {
    const { run } = await describeRun(runId);
    expect(Date.parse(run?.limit?.dueAt ?? "")).toBeLessThan(Date.now());
  }, patience);
  await store.giveBack();
  expect(await ended(runId)).toBe("TIMED_OUT");
  const { run } = await describeRun(runId);
  expect(run?.reason).toMatch(/^its work took longer than its limit of 12 s; .*object store answers 507/);
  const { rows } = await superuser.query("select cause from seals where run_id = $1", [runId]);
  expect(rows).toEqual([{ cause: "work_limit_exceeded" }]);
});

it("16 runs that wait in the queue for longer than their work may take all COMPLETE, and raise no impediment", async () => {
  fillUp(filled); // nobody takes one up before all are there
  await vi.waitFor(async () => expect(await readinessOf("workspace")).toMatchObject({ status: 503 }), patience);
  const runs: string[] = [];
  for (let n = 0; n < 4; n += 1) runs.push(...(await Promise.all([1, 2, 3, 4].map(() => startWork(dir, "short")))));
  await vi.waitFor(async () => {
    const { rows } = await superuser.query(
      "select extract(epoch from now() - min(created_at))::float8 as waited from runs where run_id = any($1)",
      [runs],
    );
    expect(rows[0].waited).toBeGreaterThan(20);
  }, patience);
  rmSync(filled);
  await vi.waitFor(
    async () => {
      const { rows } = await superuser.query(
        "select count(*)::int as n from runs where run_id = any($1) and ended_at is not null",
        [runs],
      );
      expect(rows[0].n).toBe(16);
    },
    { timeout: 200_000, interval: 500 },
  );
  const { rows } = await superuser.query<{ status: string; waited: number }>(
    "select status, extract(epoch from work_begun_at - created_at)::float8 as waited from runs where run_id = any($1)",
    [runs],
  );
  expect(rows.filter(({ status }) => status !== "COMPLETED")).toEqual([]);
  expect(Math.max(...rows.map(({ waited }) => waited))).toBeGreaterThan(20);
  const { rows: raised } = await superuser.query("select cause from impediments where last_run_id = any($1)", [runs]);
  expect(raised).toEqual([]);
}, 300_000);

it("a receiver that is away for longer than the work may take is waited for", async () => {
  await must(dir, "apply", "-f", briefDefinition());
  const scrum = notedProcesses(dir).get("scrum")?.pid ?? 0;
  process.kill(scrum, "SIGSTOP");
  try {
    const asked = ["--profile", "scrum-team", "--definition", "brief", "--work-kind", "story"];
    const about = ["--context", "{scrum: {product: webshop, sprint: S-7, backlogItems: [PBI-7]}}"];
    const { runId } = JSON.parse(await must(dir, "run", "start", ...asked, ...about, "--json")) as { runId: string };
    await vi.waitFor(async () => {
      const { run } = await describeRun(runId);
      expect(run).toMatchObject({ status: "RUN_STATUS_SEALING", limit: { cause: "handoff_limit_exceeded" } });
      expect(Date.now()).toBeGreaterThan(Date.parse(run?.workBegunAt ?? "") + 8_000); // twice its limit
    }, patience);
    process.kill(scrum, "SIGCONT");
    expect(await ended(runId)).toBe("COMPLETED");
  } finally {
    process.kill(scrum, "SIGCONT");
  }
});

const patience = { timeout: 90_000, interval: 250 };

function run(...command: string[]): void {
  const [file = "", ...args] = command;
  const { status, stderr } = spawnSync(file, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
}

/** Leaves 4 MiB of a file system. */
function fillUp(path: string): void {
  const { bavail, bsize } = statfsSync(join(path, ".."));
  run("fallocate", "-l", String(bavail * bsize - 4 * 1024 ** 2), path);
}

/** A definition without steps, whose work may take 4 s. */
function briefDefinition(): string {
  const file = join(dir, "scene", "brief.yaml");
  const spec = { definitionId: "brief", version: "1", channel: "stable", plan: { timeLimit: "4s" } };
  writeFileSync(file, stringify({ kind: "WorkflowDefinition", spec }));
  return file;
}

/** Ends the object store and answers 507 in its place, until its place is given back. */
async function replaceStore(): Promise<{ giveBack(): Promise<void> }> {
  const { port } = new URL(readUpFile(dir).s3.endpoint);
  const seen = up.events.length;
  const server = createServer((request, response) => {
    request.resume();
    request.once("end", () => response.writeHead(507).end());
  });
  process.kill(notedProcesses(dir).get("s3")?.pid ?? 0, "SIGKILL");
  await vi.waitFor(() => listen(server, Number(port)), { timeout: 20_000, interval: 20 });
  return {
    async giveBack() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
      await up.until((event) => up.events.indexOf(event) >= seen && event.message.startsWith("s3 is back"));
    },
  };
}

const listen = (server: Server, port: number): Promise<void> =>
  new Promise((done, fail) => {
    server.once("error", fail);
    server.listen(port, "127.0.0.1", () => done());
  });

async function readinessOf(name: string): Promise<{ status: number; parts: Record<string, unknown> }> {
  const ports = JSON.parse(readFileSync(folderOf(dir).portsFile, "utf8")) as Record<string, number>;
  const answer = await fetch(`http://127.0.0.1:${ports[name]}/readyz`);
  return { status: answer.status, parts: (await answer.json()) as Record<string, unknown> };
}

const describeRun = async (runId: string) =>
  JSON.parse(await must(dir, "run", "describe", runId, "--json")) as DescribeWorkflowRunResponseJson;

const attemptsOf = (events: readonly RunEventJson[]) => events.flatMap(({ workspace }) => workspace?.attempt ?? []);
const changesOf = (events: readonly RunEventJson[]) =>
  events.filter(({ message }) => message?.text === "changed").length;

async function eventsOf(runId: string): Promise<RunEventJson[]> {
  const { rows } = await superuser.query<{ event: RunEventJson }>(
    "select event from run_events where run_id = $1 order by sequence",
    [runId],
  );
  return rows.map(({ event }) => event);
}

const until = (runId: string, accept: (events: readonly RunEventJson[]) => boolean) =>
  vi.waitFor(async () => expect(accept(await eventsOf(runId))).toBe(true), { timeout: 90_000, interval: 20 });

async function ended(runId: string): Promise<string> {
  const { rows } = await vi.waitFor(async () => {
    const found = await superuser.query("select status from runs where run_id = $1 and ended_at is not null", [runId]);
    expect(found.rowCount).toBe(1);
    return found;
  }, patience);
  return rows[0].status;
}

async function endAndAwaitReturn(name: string): Promise<void> {
  const seen = up.events.length;
  process.kill(notedProcesses(dir).get(name)?.pid ?? 0, "SIGTERM");
  await up.until((event) => up.events.indexOf(event) >= seen && event.message.startsWith(`${name} is back`));
}
