import { readdirSync, readFileSync } from "node:fs";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { folderOf } from "../../local/up/state-folder.ts";
import type { ArtifactJson } from "../../src/gen/automation/v1/artifact_pb.ts";
import type { RunEventJson } from "../../src/gen/automation/v1/run_event_pb.ts";
import { brokersOf, newStateDir, objects, removeStateDir } from "../support/engines/stack.ts";
import type { RunningUp } from "../support/engines/up.ts";
import { notedProcesses, readUpFile, startUp } from "../support/engines/up.ts";
import { findViolations } from "../support/probes/invariants.ts";
import { leftOfBoxes, must, publishWork, startWork } from "../support/worlds/work-scene.ts";

/** Makes a change, says so, and takes its time. */
const taking = (ms: number) => `
import { readFileSync, writeFileSync, writeSync } from "node:fs";
writeFileSync("/workspace/src/slow.js", "export const slow = true;\\n");
writeSync(3, JSON.stringify({ type: "message", text: "changed" }) + "\\n");
setTimeout(() => undefined, ${ms});
`;
const complete = ["changes.json", "changes.patch", "events.ndjson", "evidence.json", "tests/unit.xml"];

let dir: string;
let up: RunningUp;
let superuser: pg.Client;

beforeAll(async () => {
  dir = newStateDir();
  up = startUp("--demo", "--state", dir);
  await up.until(({ event }) => event === "running");
  superuser = new pg.Client({ connectionString: readUpFile(dir).postgres.url });
  await superuser.connect();
  await publishWork(dir, "slow", taking(2_000));
  await publishWork(dir, "slower", taking(8_000));
});

afterAll(async () => {
  await superuser?.end();
  up?.process.kill("SIGINT");
  await up?.exited;
  removeStateDir(dir);
});

describe("while a persona's work goes on", () => {
  it("kill -9 of the worker in prepare and while the persona works: begun anew, done once", async () => {
    const working = await startWork(dir, "slower"); // still at it when the other one prepares
    await until(working, ({ message }) => message?.text === "changed");
    const preparing = await startWork(dir, "slow");
    await until(preparing, ({ status }) => status?.status === "RUN_STATUS_PREPARING");
    await killAndAwaitReturn("workspace");
    for (const runId of [working, preparing]) await expectCompleted(runId);
    const attempts = (await eventsOf(working)).flatMap(({ workspace }) => workspace?.attempt ?? []);
    expect(attempts).toEqual([1, 2]);
  });

  it("kill -9 of the worker after the capture: begun anew from the base, with the same tree", async () => {
    const runId = await startWork(dir, "slow");
    await until(runId, ({ captured }) => captured !== undefined);
    await killAndAwaitReturn("workspace");
    await expectCompleted(runId);
    const trees = (await eventsOf(runId)).flatMap(({ captured }) => captured?.gitTree ?? []);
    expect(new Set(trees).size).toBe(1);
  });

  it("an orderly end of the worker: what it held is begun anew, at once", async () => {
    const runId = await startWork(dir, "slow");
    await until(runId, ({ message }) => message?.text === "changed");
    await killAndAwaitReturn("workspace", "SIGTERM");
    await expectCompleted(runId);
  });

  it("kill -9 of the box: the step fails by name, and what was made is kept", async () => {
    const runId = await startWork(dir, "slow");
    await until(runId, ({ message }) => message?.text === "changed");
    killBoxes();
    const status = await ended(runId);
    expect(status).toBe("FAILED");
    const step = (await eventsOf(runId)).findLast((event) => event.step?.stepId === "work")?.step;
    expect(step).toMatchObject({ state: "STEP_STATE_FAILED", cause: "step_failed" });
    expect(await artifactsOf(runId)).toEqual(expect.arrayContaining(["changes.patch", "events.ndjson"]));
  });

  it("kill -9 of the api while events and uploads flow: they wait, and the run completes", async () => {
    const runId = await startWork(dir, "slow");
    await until(runId, ({ message }) => message?.text === "changed");
    await killAndAwaitReturn("api");
    const other = await startWork(dir, "slow");
    await until(other, ({ captured }) => captured !== undefined);
    await killAndAwaitReturn("api");
    for (const each of [runId, other]) await expectCompleted(each);
  });

  it("all of it leaves no violation, no half artifact, no process, no mount and no folder", async () => {
    const state = readUpFile(dir);
    await vi.waitFor(
      async () => expect((await superuser.query("select count(*)::int as n from outbox")).rows[0].n).toBe(0),
      { timeout: 60_000, interval: 500 },
    );
    const stack = { postgresUrl: state.postgres.url, brokers: brokersOf(state), cluster: "local" };
    expect((await findViolations(stack, AbortSignal.timeout(60_000))).violations).toEqual([]);
    await vi.waitFor(() => expect(leftOfBoxes(dir)).toEqual([]), { timeout: 60_000 });
  });
});

const eventsOf = async (runId: string): Promise<RunEventJson[]> => {
  const { rows } = await superuser.query<{ event: RunEventJson }>(
    "select event from run_events where run_id = $1 order by sequence",
    [runId],
  );
  return rows.map(({ event }) => event);
};

const until = (runId: string, accept: (event: RunEventJson) => boolean) =>
  vi.waitFor(async () => expect((await eventsOf(runId)).some(accept)).toBe(true), { timeout: 60_000, interval: 20 });

async function ended(runId: string): Promise<string> {
  const status = async (): Promise<string> => {
    const { rows } = await superuser.query("select status from runs where run_id = $1 and ended_at is not null", [
      runId,
    ]);
    return rows[0]?.status ?? "";
  };
  await vi.waitFor(async () => expect(await status()).not.toBe(""), { timeout: 90_000, interval: 200 });
  return status();
}

async function expectCompleted(runId: string): Promise<void> {
  expect(await ended(runId)).toBe("COMPLETED");
  expect(await artifactsOf(runId)).toEqual(expect.arrayContaining(complete));
}

async function artifactsOf(runId: string): Promise<string[]> {
  const listed = await must(dir, "artifact", "list", "--run", runId, "--json");
  return objects<ArtifactJson>(listed).map(({ name }) => name ?? "");
}

/** The way of an out-of-memory killer, or of an operator in a hurry. */
function killBoxes(): void {
  const { runArea } = folderOf(dir);
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const cmdline = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      if (cmdline.startsWith("bwrap") && cmdline.includes(runArea)) process.kill(Number(pid), "SIGKILL");
    } catch {
      // it ended by itself
    }
  }
}

async function killAndAwaitReturn(name: string, signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
  const pid = notedProcesses(dir).get(name)?.pid;
  if (pid === undefined) throw new Error(`no process ${name} is noted`);
  const seen = up.events.length;
  process.kill(pid, signal);
  await up.until((event) => up.events.indexOf(event) >= seen && event.message.startsWith(`${name} is back`));
}
