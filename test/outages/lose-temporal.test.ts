import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { Board } from "../../examples/scrum-service/board.ts";
import type { UpState } from "../../local/up/running-stack.ts";
import { folderOf } from "../../local/up/state-folder.ts";
import { brokersOf, newStateDir, objects, removeStateDir } from "../support/engines/stack.ts";
import type { RunningUp } from "../support/engines/up.ts";
import { notedProcesses, readUpFile, startUp } from "../support/engines/up.ts";
import { findViolations } from "../support/probes/invariants.ts";
import { leftOfBoxes, must, publishWork, startWork } from "../support/worlds/work-scene.ts";

/** Temporal loses all it knew, on the whole stack, while runs wait, work, and are handed over. */
const works = `
import { writeFileSync, writeSync } from "node:fs";
writeFileSync("/workspace/src/slow.js", "export const slow = true;\\n");
writeSync(3, JSON.stringify({ type: "message", text: "changed" }) + "\\n");
setTimeout(() => undefined, 10_000);
`;

let dir: string;
let up: RunningUp;
let state: UpState;
let superuser: pg.Client;

beforeAll(async () => {
  dir = newStateDir();
  up = startUp("--demo", "--state", dir);
  await up.until(({ event }) => event === "running");
  state = readUpFile(dir);
  superuser = new pg.Client({ connectionString: state.postgres.url });
  await superuser.connect();
  await publishWork(dir, "works", works);
});

afterAll(async () => {
  await superuser?.end();
  up?.process.kill("SIGINT");
  await up?.exited;
  removeStateDir(dir);
});

it("leaves every run a truthful end, nothing provisional at the receiver, and no violation", async () => {
  await scrum("POST", "/behaviour", { method: "*", phase: "try", action: "lose_reply" });
  const [handedOver, given] = [await startStory("PBI-71"), await startStory("PBI-72")];
  await Promise.all([handedOver, given].map((runId) => untilStatus(runId, "SEALING")));
  const working = await startWork(dir, "works");
  await untilStatus(working, "RUNNING");

  rmSync(folderOf(dir).data("temporal"), { recursive: true });
  await killAndAwaitReturn("temporal");
  await must(dir, "run", "cancel", given, "--reason", "not needed any more");
  const waiting = await startStory("PBI-73");
  await untilStatus(given, "CANCELLED");
  await scrum("DELETE", "/behaviour");

  for (const runId of [handedOver, working, waiting]) await untilStatus(runId, "COMPLETED");
  const { rows } = await superuser.query("select run_id, generation from runs where run_id = any($1)", [
    [handedOver, working, given, waiting],
  ]);
  expect(Object.fromEntries(rows.map(({ run_id, generation }) => [run_id, generation]))).toEqual({
    ...{ [handedOver]: 2, [working]: 2, [given]: 1, [waiting]: 1 },
  });
  await vi.waitFor(
    async () => {
      const { provisional } = (await (await scrum("GET", "/board")).json()) as Board;
      const { rows: left } = await superuser.query("select count(*)::int as n from outbox");
      expect({ provisional, outbox: left[0].n, boxes: leftOfBoxes(dir) }).toEqual({
        ...{ provisional: [], outbox: 0, boxes: [] },
      });
    },
    { timeout: 90_000, interval: 500 },
  );
  const stack = { postgresUrl: state.postgres.url, brokers: brokersOf(state), cluster: "local" };
  expect((await findViolations(stack, AbortSignal.timeout(60_000))).violations).toEqual([]);
  expect(objects(await must(dir, "queue", "--json"))).toEqual([{}]);
}, 420_000);

async function startStory(item: string): Promise<string> {
  const asked = ["--profile", "scrum-team", "--work-kind", "story", "--definition", "increment-evidence"];
  const about = ["--context", `{scrum: {product: webshop, sprint: S-7, backlogItems: [${item}]}}`];
  return (JSON.parse(await must(dir, "run", "start", ...asked, ...about, "--json")) as { runId: string }).runId;
}

const untilStatus = (runId: string, status: string) =>
  vi.waitFor(
    async () => {
      const { rows } = await superuser.query("select status from runs where run_id = $1", [runId]);
      expect(rows[0]?.status).toBe(status);
    },
    { timeout: 240_000, interval: 100 },
  );

function scrum(method: string, path: string, body?: object): Promise<Response> {
  const token = readFileSync(join(dir, "tokens/scrum.token"), "utf8").trim();
  return fetch(`${state.scrum?.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function killAndAwaitReturn(name: string): Promise<void> {
  const pid = notedProcesses(dir).get(name)?.pid;
  if (pid === undefined) throw new Error(`no process ${name} is noted`);
  const seen = up.events.length;
  process.kill(pid, "SIGKILL");
  await up.until((event) => up.events.indexOf(event) >= seen && event.message.startsWith(`${name} is back`));
}
