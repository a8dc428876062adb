import pg from "pg";
import { afterAll, assert, beforeAll, expect, it, vi } from "vitest";
import { declareDemo } from "../../local/demo/declare.ts";
import { readDemoSettings } from "../../local/demo/settings.ts";
import { mintToken } from "../../local/issuer/mint-token.ts";
import { createApiClient } from "../../src/client/api-client.ts";
import { createKafkaSink } from "../../src/drivers/kafka/kafka-sink.ts";
import { scrumEvent } from "../support/builders/scrum-event.ts";
import { brokersOf } from "../support/engines/stack.ts";
import { findViolations } from "../support/probes/invariants.ts";
import type { Member, ProcessStack } from "../support/worlds/process-stack.ts";
import { startProcessStack } from "../support/worlds/process-stack.ts";
import { publishWork, startWork } from "../support/worlds/work-scene.ts";

/** Processes of an earlier commit beside those of this one, which every update and every rollback passes through: `npm run test:upgrade -- COMMIT`. */
const earlier = process.env.EARLIER_CLONE ?? assert.fail("EARLIER_CLONE is not set");
const names = ["api", "dispatcher", "relay", "worker", "workspace"] as const;
const limitMs = 900_000;

const works = (ms: number) => `
import { writeFileSync, writeSync } from "node:fs";
writeFileSync("/workspace/src/slow.js", "export const slow = true;\\n");
writeSync(3, JSON.stringify({ type: "message", text: "changed" }) + "\\n");
setTimeout(() => undefined, ${ms});
`;

let stack: ProcessStack;
let superuser: pg.Client;
const members = new Map<string, Member>();
let runs = 0;

beforeAll(async () => {
  stack = await startProcessStack(AbortSignal.timeout(limitMs));
  expect(await stack.migrate(earlier)).toEqual({ code: 0, signal: null });
  for (const name of names) members.set(name, await stack.start(name, earlier));
  superuser = new pg.Client({ connectionString: stack.state.postgres.url });
  await superuser.connect();
  const scope = { tenant: "acme", org: "retail" };
  const token = await mintToken(stack.state, { ...scope, role: "admin", subject: "test" });
  const api = createApiClient({ apiUrl: stack.state.api.url, token: () => token, ...scope });
  for await (const { outcome } of declareDemo(api, stack.state, readDemoSettings(), AbortSignal.timeout(60_000)))
    expect(outcome).not.toBe("conflict");
  await publishWork(stack.state.dir, "works", works(10));
  await publishWork(stack.state.dir, "works-long", works(20_000));
}, limitMs);

afterAll(async () => {
  await superuser?.end();
  await stack?.close();
});

it(
  "all processes of the earlier commit on the database of this one, which is a rollback: runs end COMPLETED",
  async () => {
    await expectRuns("before");
    expect(await stack.migrate()).toEqual({ code: 0, signal: null });
    expect(await stack.migrate(earlier)).toEqual({ code: 0, signal: null }); // changes nothing
    await expectRuns("rollback");
  },
  limitMs,
);

it(
  "a run that began before the update ends COMPLETED after it",
  async () => {
    const runId = await startWork(stack.state.dir, "works-long");
    const begun = () => superuser.query("select from run_events where run_id = $1 and event ? 'message'", [runId]);
    await vi.waitFor(async () => expect((await begun()).rowCount).toBeGreaterThan(0), {
      timeout: 60_000,
      interval: 100,
    });
    for (const name of names) await replace(name);
    await expectCompleted(runId);
    runs += 1;
  },
  limitMs,
);

it.each(names)(
  "%s of the earlier commit, all others of this one: runs end COMPLETED",
  async (name) => {
    await replace(name, earlier);
    await expectRuns(name);
    await replace(name);
  },
  limitMs,
);

it(
  "all of it leaves no violation on database and bus",
  async () => {
    await vi.waitFor(async () => expect((await superuser.query("select from outbox")).rowCount).toBe(0), {
      timeout: 60_000,
    });
    const { postgres } = stack.state;
    const looked = { postgresUrl: postgres.url, brokers: brokersOf(stack.state), cluster: "local" };
    const { violations, counts } = await findViolations(looked, AbortSignal.timeout(60_000));
    expect(violations).toEqual([]);
    expect(counts).toMatchObject({ runs, completed: runs });
  },
  limitMs,
);

/** One run from the bus, handed over to the Scrum service, and one of work in a workspace. */
async function expectRuns(name: string): Promise<void> {
  const producer = createKafkaSink({ brokers: brokersOf(stack.state), clientId: "upgrade" });
  await producer.connect();
  const more = { definition: { id: "increment-evidence" }, profile: { id: "scrum-team" } };
  await producer.send("automation.run.requested", [scrumEvent(`upgrade-${name}`, "PBI-1", more)]);
  await producer.close();
  await expectCompleted(await startWork(stack.state.dir, "works"));
  const accepted = () => superuser.query("select run_id from runs where event_id = $1", [`upgrade-${name}`]);
  await vi.waitFor(async () => expect((await accepted()).rowCount).toBe(1), { timeout: 60_000, interval: 200 });
  await expectCompleted((await accepted()).rows[0].run_id);
  runs += 2;
}

async function expectCompleted(runId: string): Promise<void> {
  const ended = async () => {
    const { rows } = await superuser.query("select status from runs where run_id = $1 and ended_at is not null", [
      runId,
    ]);
    expect(rows).toEqual([{ status: "COMPLETED" }]);
  };
  await vi.waitFor(ended, { timeout: 120_000, interval: 200 });
}

async function replace(name: string, root?: string): Promise<void> {
  expect({ name, ...(await members.get(name)?.end()) }).toEqual({ name, code: 0, signal: null });
  members.set(name, await stack.start(name, root));
}
