import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Board } from "../../examples/scrum-service/board.ts";
import type { UpState } from "../../local/up/running-stack.ts";
import { createKafkaSink } from "../../src/drivers/kafka/kafka-sink.ts";
import { scrumEvent } from "../support/builders/scrum-event.ts";
import { newStateDir, removeStateDir } from "../support/engines/stack.ts";
import type { RunningUp } from "../support/engines/up.ts";
import { notedProcesses, readUpFile, startUp } from "../support/engines/up.ts";
import { findViolations } from "../support/probes/invariants.ts";

/** One process after another is killed outright while requests flow; afterwards every invariant is proven over Postgres, bus and the Scrum service. */
const requestCount = 100;
const victims = ["dispatcher", "api", "relay", "worker"] as const;

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
});

afterAll(async () => {
  await superuser?.end();
  up?.process.kill("SIGINT");
  await up?.exited;
  removeStateDir(dir);
});

describe("kill -9 of dispatcher, api, relay and worker in turn", () => {
  it("loses no request, doubles no run and leaves no untruthful end", async () => {
    const producer = createKafkaSink({ brokers: state.kafka.brokers, clientId: "faults" });
    await producer.connect();
    const send = async (n: number) => {
      // every fifth event is delivered twice, and every tenth asks for what the plan can't prove
      const record = scrumEvent(`fault-${n}`, `PBI-${n}`, {
        definition: { id: "increment-evidence" }, // no steps: what the work adds is kill-work.test.ts
        profile: { id: n % 10 === 0 ? "scrum-team-tested" : "scrum-team" },
      });
      await producer.send("automation.run.requested", n % 5 === 0 ? [record, record] : [record]);
    };
    const flow = (async () => {
      for (let n = 0; n < requestCount; n += 1) {
        await send(n);
        await sleep(250); // the load itself: four requests a second, before, during and after the kills
      }
    })();
    await ended(requestCount * 0.1);
    for (const victim of victims) {
      const before = await endedCount();
      await killAndAwaitReturn(victim);
      await ended(before + 3); // it is at work again
    }
    await flow;
    await ended(requestCount);
    await producer.close();

    const stack = { postgresUrl: state.postgres.url, brokers: state.kafka.brokers, cluster: "local" };
    await vi.waitFor(
      async () => expect((await superuser.query("select count(*)::int as n from outbox")).rows[0].n).toBe(0),
      { timeout: 60_000, interval: 500 },
    );
    const { violations, counts } = await findViolations(stack, AbortSignal.timeout(60_000));
    expect(violations).toEqual([]);
    expect(counts.runs).toBe(requestCount + 1); // and the demo's own
    expect(counts.completed).toBe(requestCount * 0.9 + 1);
    await vi.waitFor(async () => expect(await scrumFaults()).toEqual([]), { timeout: 60_000, interval: 500 });
  }, 300_000);
});

const endedCount = async (): Promise<number> => {
  const { rows } = await superuser.query(
    "select count(*)::int as n from runs where event_id like 'fault-%' and ended_at is not null",
  );
  return rows[0].n;
};

const ended = (count: number) =>
  vi.waitFor(async () => expect(await endedCount()).toBeGreaterThanOrEqual(Math.min(count, requestCount)), {
    timeout: 120_000,
    interval: 200,
  });

async function killAndAwaitReturn(name: string): Promise<void> {
  const pid = notedProcesses(dir).get(name)?.pid;
  if (pid === undefined) throw new Error(`no process ${name} is noted`);
  const seen = up.events.length;
  process.kill(pid, "SIGKILL");
  await up.until((event) => up.events.indexOf(event) >= seen && event.message.startsWith(`${name} is back`));
}

/** What Scrum holds against what ended: evidence once for each COMPLETED run, nothing final for any other, an impediment for each FAILED one. */
async function scrumFaults(): Promise<string[]> {
  const token = readFileSync(join(dir, "tokens/scrum.token"), "utf8").trim();
  const response = await fetch(`${state.scrum?.url}/board`, { headers: { authorization: `Bearer ${token}` } });
  const { held, provisional } = (await response.json()) as Board;
  const { rows } = await superuser.query<{ run_id: string; status: string }>("select run_id, status from runs");
  const evidenced = held.increments.flatMap(({ evidence }) => evidence.map(({ runId }) => runId));
  const done = held.doneItems.flatMap(({ records }) => records.map(({ runId }) => runId));
  const impeded = held.impediments.flatMap(({ runIds }) => runIds);
  const times = (list: readonly string[], runId: string) => list.filter((each) => each === runId).length;
  return [
    ...provisional.map(({ key }) => `${key} is still provisional`),
    ...rows.flatMap(({ run_id, status }) => {
      const final = status === "COMPLETED" ? 1 : 0;
      const wanted = { evidenced: final, done: final, impeded: 1 - final };
      const found = { evidenced: times(evidenced, run_id), done: times(done, run_id), impeded: times(impeded, run_id) };
      return JSON.stringify(found) === JSON.stringify(wanted) ? [] : [`${run_id} ${status}: ${JSON.stringify(found)}`];
    }),
  ];
}
