import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { UpState } from "../../local/up/running-stack.ts";
import { createKafkaSink } from "../../src/drivers/kafka/kafka-sink.ts";
import type { RecordSink } from "../../src/runs/outbox/bus-record.ts";
import { scrumEvent } from "../support/builders/scrum-event.ts";
import { brokersOf, newStateDir, removeStateDir } from "../support/engines/stack.ts";
import type { RunningUp } from "../support/engines/up.ts";
import { notedProcesses, readUpFile, startUp } from "../support/engines/up.ts";
import { findViolations } from "../support/probes/invariants.ts";

/** A process that stands still is not dead: it goes on where it was, with what it knew. Every invariant is proven after each pause. */
const burstCount = 2_000;
let dir: string;
let up: RunningUp;
let state: UpState;
let superuser: pg.Client;
let sink: RecordSink;

beforeAll(async () => {
  dir = newStateDir();
  up = startUp("--demo", "--state", dir);
  await up.until(({ event }) => event === "running");
  state = readUpFile(dir);
  superuser = new pg.Client({ connectionString: state.postgres.url });
  await superuser.connect();
  sink = createKafkaSink({ brokers: brokersOf(state), clientId: "faults" });
});

afterAll(async () => {
  await sink?.close();
  await superuser?.end();
  up?.process.kill("SIGINT");
  await up?.exited;
  removeStateDir(dir);
});

describe("a process that stands still for longer than its session with Kafka", () => {
  it.each([
    { name: "dispatcher", seconds: 15 },
    { name: "kafka", seconds: 11 },
  ])(
    "$name for $seconds s: goes on as the same process, and each event has its disposition once and is on the bus",
    async ({ name, seconds }) => {
      const pidOf = (process: string) => notedProcesses(dir).get(process)?.pid ?? 0;
      const before = new Map(["dispatcher", "relay", "kafka"].map((each) => [each, pidOf(each)]));
      const pid = before.get(name) ?? 0;
      const count = 40;
      let sent = 0;
      const flow = (async () => {
        for (; sent < count; sent += 1) {
          await acknowledged(`${name}-${sent}`);
          await sleep(250); // the load itself: four requests a second before, during and after the pause
        }
      })();
      await ended(name, 3);
      const burst = Array.from({ length: burstCount }, (_, n) => refusedEvent(`${name}-burst-${n}`));
      await sink.send("automation.run.requested", burst);
      await disposedOf(`${name}-burst`, 1); // in the middle of its work
      process.kill(pid, "SIGSTOP");
      await sleep(seconds * 1_000); // the pause itself
      process.kill(pid, "SIGCONT");
      await flow;
      await ended(name, count);
      await disposedOf(`${name}-burst`, burstCount);
      await vi.waitFor(
        async () => expect((await superuser.query("select count(*)::int as n from outbox")).rows[0].n).toBe(0),
        { timeout: 60_000, interval: 500 },
      );
      expect(new Map([...before.keys()].map((each) => [each, pidOf(each)]))).toEqual(before);
      const stack = { postgresUrl: state.postgres.url, brokers: brokersOf(state), cluster: "local" };
      const { violations, counts } = await findViolations(stack, AbortSignal.timeout(60_000));
      expect(violations).toEqual([]);
      expect(counts.published).toBeGreaterThan(count);
    },
    300_000,
  );
});

/** Refused before any run: it gets its disposition, and a word on the bus. */
const refusedEvent = (id: string) => scrumEvent(id, "PBI-burst", { profile: { id: "nobody-published-this" } });

const disposedOf = (prefix: string, count: number) =>
  vi.waitFor(
    async () => {
      const { rows } = await superuser.query("select count(*)::int as n from run_requests where event_id like $1", [
        `${prefix}-%`,
      ]);
      expect(rows[0].n).toBeGreaterThanOrEqual(count);
    },
    { timeout: 120_000, interval: 5 },
  );

/** Asks until the bus has it; what is asked twice is one request. */
async function acknowledged(id: string): Promise<void> {
  const record = scrumEvent(id, `PBI-${id}`, {
    definition: { id: "increment-evidence" },
    profile: { id: "scrum-team" },
  });
  for (let isThere = false; !isThere; )
    isThere = await sink.send("automation.run.requested", [record]).then(
      () => true,
      () => false,
    );
}

const ended = (name: string, count: number) =>
  vi.waitFor(
    async () => {
      const { rows } = await superuser.query(
        "select count(*)::int as n from runs where event_id like $1 and ended_at is not null",
        [`${name}-%`],
      );
      expect(rows[0].n).toBeGreaterThanOrEqual(count);
    },
    { timeout: 120_000, interval: 200 },
  );
