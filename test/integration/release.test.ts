import { randomUUID } from "node:crypto";
import { Client, Connection } from "@temporalio/client";
import type { Pool } from "pg";
import pg from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { admitStarted } from "../../src/admission/admit-runs.ts";
import { findUnbegun } from "../../src/admission/admit-store.ts";
import { claimRuns } from "../../src/admission/claim-runs.ts";
import type { RunKey } from "../../src/admission/claim-store.ts";
import { giveBack, markStarted, postponeStart } from "../../src/admission/claim-store.ts";
import { createPumpCommands } from "../../src/admission/pump-commands.ts";
import { createReleaseRuns } from "../../src/admission/release-runs.ts";
import { createInScope, createInTransaction } from "../../src/drivers/postgres/in-scope.ts";
import { workflowIdOf } from "../../src/drivers/temporal/contract.ts";
import type { Temporal } from "../../src/drivers/temporal/workflow-client.ts";
import { createTemporal } from "../../src/drivers/temporal/workflow-client.ts";
import type { Loop } from "../../src/loops/loop.ts";
import { createInRun } from "../../src/runs/in-run.ts";
import { admitExecution, findStartCapability } from "../../src/runs/run-store.ts";
import type { InTransaction } from "../../src/tenancy/transaction.ts";
import { insertQueuedRuns } from "../support/builders/queued-runs.ts";
import type { BorrowedEngines } from "../support/engines/borrow-engines.ts";
import { borrowEngines } from "../support/engines/borrow-engines.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";

const log = pino({ level: "silent" });
let engines: BorrowedEngines;
let database: TestDatabase;
let superuser: Pool;
let temporal: Temporal;
let connection: Connection;
let client: Client;
let inTransaction: InTransaction;

beforeAll(async () => {
  engines = await borrowEngines({ postgres: true, temporal: true });
  database = await createDatabase(engines.postgres.url);
  superuser = new pg.Pool({ connectionString: database.superuserUrl });
  superuser.on("error", () => undefined); // the server may end a connection before the pool has
  temporal = createTemporal({ ...engines.temporal });
  connection = await Connection.connect({ address: engines.temporal.address });
  client = new Client({ connection, namespace: engines.temporal.namespace });
  inTransaction = createInTransaction(database.poolOf("dispatcher"));
});
afterAll(async () => {
  await Promise.allSettled([temporal?.close(), connection?.close(), database?.close(), superuser?.end()]);
  await engines?.stop();
});
beforeEach(() =>
  superuser.query(
    "truncate runs, run_queue, queue_places, queue_lanes, queue_lane_changes, queue_counts, queue_place_changes, queue_turns, run_streams, run_events, outbox, run_commands, reconciliations",
  ),
);

/** Runs loops while the work goes on, then lets them drain. */
async function whileRunning(loops: readonly Loop[], work: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const running = loops.map((loop) => loop.run(stop.signal));
  await work().finally(() => stop.abort());
  await Promise.all(running);
}

const release = (change: Partial<Parameters<typeof createReleaseRuns>[0]> = {}) =>
  createReleaseRuns({
    inTransaction,
    workflows: temporal,
    maxUnbegun: 1_000,
    weightOf: () => 1,
    refusedSeconds: 60,
    onAdmitted: () => undefined,
    now: () => new Date(),
    log,
    ...change,
  });

const startedIds = async (): Promise<string[]> => {
  const { rows } = await superuser.query("select run_id from run_queue where started_at is not null order by run_id");
  return rows.map((row) => row.run_id);
};

const claim = (atMost: number) =>
  inTransaction((transaction) => claimRuns(transaction, { maxUnbegun: 100, atMost, weightOf: () => 1 }));
const find = (claimed: readonly RunKey[]) => inTransaction((transaction) => findUnbegun(transaction, claimed));
const admit = (started: readonly RunKey[]) =>
  inTransaction((transaction) => admitStarted(transaction, started, new Date()));

/** As their workflows do. */
async function begin(ids: readonly string[]): Promise<void> {
  const inRun = createInRun({ inScope: createInScope(superuser), now: () => new Date() });
  for (const runId of ids)
    await inRun({ tenant: "acme", org: "retail", runId }, async ({ transaction, run, moveTo }) => {
      const startCapability = await findStartCapability(transaction, run);
      const execution = { generation: 1, firstExecutionRunId: runId, startCapability, begunAt: new Date() };
      await admitExecution(transaction, run, execution);
      await moveTo("PREPARING", "begin/1");
    });
}

it("starts each queued run once, with two dispatchers at it", async () => {
  const ids = await insertQueuedRuns(superuser, 200);
  const startedBy: string[][] = [[], []];
  const atIt = startedBy.map(() => Promise.withResolvers<void>());
  const loops = startedBy.map((started, n) => {
    const start: Temporal["start"] = async (run) => {
      atIt[n]?.resolve();
      await Promise.all(atIt.map(({ promise }) => promise)); // one alone may not claim them all
      const answer = await temporal.start(run);
      if (answer.state === "started") started.push(run.runId); // without an answer in time it is asked for again
      return answer;
    };
    return release({ workflows: { ...temporal, start } });
  });
  await whileRunning(loops, () =>
    vi.waitFor(async () => expect(await startedIds()).toEqual(ids.toSorted()), { timeout: 60_000, interval: 100 }),
  );
  expect(startedBy.flat().toSorted()).toEqual(ids.toSorted());
  for (const started of startedBy) expect(started).not.toEqual([]);
  const { status } = await client.workflow.getHandle(workflowIdOf("acme", ids[7] ?? "", 1)).describe();
  expect(status.name).toBe("RUNNING");
});

it("keeps the started and unbegun at the limit over two dispatchers, and goes on as runs begin", async () => {
  const ids = await insertQueuedRuns(superuser, 30);
  const loops = [release({ maxUnbegun: 8 }), release({ maxUnbegun: 8 })];
  await whileRunning(loops, async () => {
    let begun = 0;
    while (begun < ids.length) {
      await vi.waitFor(async () => expect(await startedIds()).toHaveLength(Math.min(8, ids.length - begun)), {
        timeout: 60_000,
        interval: 20,
      });
      const held = await superuser.query("select run_id from run_queue where claimed_until is not null");
      expect(held.rowCount).toBeLessThanOrEqual(8);
      await begin(held.rows.map((row) => row.run_id));
      begun += held.rows.length;
      for (const loop of loops) loop.wake();
    }
  });
});

it("claims by priority, then by age, and no run twice", async () => {
  const later = await insertQueuedRuns(superuser, 3, { priority: 4 });
  const first = await insertQueuedRuns(superuser, 2, { priority: 1, tenant: "umbrella" });
  expect((await claim(3)).map((run) => run.runId)).toEqual([...first, later[0]]);
  expect((await claim(100)).map((run) => run.runId)).toEqual(later.slice(1));
  expect(await claim(100)).toEqual([]);
});

it("claims a run anew when its claim has run out, and Temporal takes the second start for the first", async () => {
  const [runId = ""] = await insertQueuedRuns(superuser, 1);
  const [run] = await find(await claim(9));
  expect(run && (await temporal.start(run))).toEqual({ state: "started" });
  const handle = client.workflow.getHandle(workflowIdOf("acme", runId, 1));
  const { runId: execution } = await handle.describe();
  await superuser.query("update run_queue set claimed_until = now() - interval '1 second'");
  await whileRunning([release()], () =>
    vi.waitFor(async () => expect(await startedIds()).toEqual([runId]), { timeout: 60_000, interval: 50 }),
  );
  expect((await handle.describe()).runId).toBe(execution);
});

it("tells ADMITTED once, however often the run is started", async () => {
  const [runId = ""] = await insertQueuedRuns(superuser, 1);
  const claimed = await claim(1);
  const [first, second] = await Promise.all([admit(claimed), admit(claimed)]);
  expect([...first, ...second]).toMatchObject([{ runId }]);
  const { rows } = await superuser.query(
    `select e.sequence, e.event->'status' as told, r.status, r.admitted_at is not null as admitted, s.last_sequence, s.last_hash = e.hash as chained, o.through_sequence
     from runs r join run_events e using (tenant, run_id) join run_streams s using (tenant, run_id) join outbox o using (tenant, run_id)`,
  );
  expect(rows).toMatchObject([
    {
      sequence: 1,
      told: {
        status: "RUN_STATUS_ADMITTED",
        previous: "RUN_STATUS_QUEUED",
        limit: { cause: "queue_limit_exceeded" },
      },
      status: "ADMITTED",
      admitted: true,
      last_sequence: 1,
      chained: true,
      through_sequence: 1,
    },
  ]);
});

it("neither starts nor admits a run that has begun or ended since it was claimed", async () => {
  const [begun = "", ended = "", left = ""] = await insertQueuedRuns(superuser, 3);
  const claimed = await claim(3);
  await admit(claimed.slice(0, 1));
  await begin([begun]);
  await superuser.query("update runs set status = 'CANCELLED', ended_at = now() where run_id = $1", [ended]);
  expect(await find(claimed)).toMatchObject([{ runId: left }]);
  expect(await admit(claimed)).toMatchObject([{ runId: left }]);
});

it("writes a run's own row when it is admitted, and neither by a claim nor by a mark", async () => {
  await insertQueuedRuns(superuser, 1);
  const version = async () => (await superuser.query("select xmin from runs")).rows[0].xmin;
  const queued = await version();
  const claimed = await claim(1);
  expect(await version()).toBe(queued);
  await admit(claimed);
  const admitted = await version();
  expect(admitted).not.toBe(queued);
  await inTransaction((transaction) => markStarted(transaction, claimed));
  expect(await startedIds()).toHaveLength(1);
  await superuser.query("update run_queue set started_at = null, claimed_until = now()");
  await admit(await claim(1));
  await inTransaction((transaction) => giveBack(transaction, claimed));
  expect(await version()).toBe(admitted);
});

it("tries a refused run again after its pause, and lets others have its place meanwhile", async () => {
  const [refused = "", next = ""] = await insertQueuedRuns(superuser, 2);
  const one = () =>
    inTransaction((transaction) => claimRuns(transaction, { maxUnbegun: 1, atMost: 9, weightOf: () => 1 }));
  const [claimed] = await one();
  expect(claimed?.runId).toBe(refused);
  expect(await one()).toEqual([]);
  await inTransaction((transaction) => postponeStart(transaction, { tenant: "acme", runId: refused }));
  expect(await one()).toMatchObject([{ runId: next }]);
  await superuser.query("update run_queue set claimed_until = null, not_before = least(not_before, now())");
  expect(await one()).toMatchObject([{ runId: refused }]);
});

it("waits longer the longer a start is refused, up to 40 s", async () => {
  const [runId = ""] = await insertQueuedRuns(superuser, 1);
  const pauses = [];
  for (const refusedFor of [0, 15, 30, 900]) {
    await superuser.query("delete from reconciliations");
    await superuser.query(
      "insert into reconciliations (tenant, org, run_id, generation, finding, detail, found_at) values ('acme', 'retail', $1, 1, 'start_refused', '', now() - make_interval(secs => $2))",
      [runId, refusedFor],
    );
    await superuser.query("update run_queue set not_before = default");
    await claim(1);
    const pause = await inTransaction(async (transaction) => {
      await postponeStart(transaction, { tenant: "acme", runId });
      const { rows } = await transaction.query<{ pause: number }>(
        "select extract(epoch from not_before - now())::float8 as pause from run_queue",
      );
      return Math.floor((rows[0]?.pause ?? 0) / 5) * 5;
    });
    pauses.push(pause);
  }
  expect(pauses).toEqual([10, 15, 30, 40]);
});

it("forgets that a start was refused once the workflow is there", async () => {
  const [runId = ""] = await insertQueuedRuns(superuser, 1);
  let isRefused = true;
  const start: Temporal["start"] = async (run) =>
    isRefused ? { state: "refused", cause: new Error("not so") } : temporal.start(run);
  const findings = async () => (await superuser.query("select finding from reconciliations")).rows;
  const loop = release({ workflows: { ...temporal, start } });
  await whileRunning([loop], async () => {
    await vi.waitFor(async () => expect(await findings()).toEqual([{ finding: "start_refused" }]), { timeout: 60_000 });
    isRefused = false;
    await superuser.query("update run_queue set not_before = now()");
    loop.wake();
    await vi.waitFor(async () => expect(await startedIds()).toEqual([runId]), { timeout: 60_000, interval: 50 });
  });
  expect(await findings()).toEqual([]);
});

it("gives claims back while Temporal is away, and starts the runs when it is back", async () => {
  const ids = await insertQueuedRuns(superuser, 5);
  const nobody = createTemporal({ address: "127.0.0.1:1", namespace: "automation" });
  let isAway = true;
  const workflows = {
    start: (run: Parameters<Temporal["start"]>[0]) => (isAway ? nobody : temporal).start(run),
    reachable: () => (isAway ? nobody : temporal).reachable(),
  };
  await whileRunning([release({ workflows })], async () => {
    await vi.waitFor(
      async () => {
        const { rows } = await superuser.query("select count(*) from run_queue where claimed_until is not null");
        expect(rows[0].count).toBe(5);
      },
      { timeout: 60_000, interval: 20 },
    );
    await vi.waitFor(
      async () => {
        const { rows } = await superuser.query("select count(*) from run_queue where claimed_until is null");
        expect(rows[0].count).toBe(5);
      },
      { timeout: 60_000, interval: 50 },
    );
    isAway = false;
    await vi.waitFor(async () => expect(await startedIds()).toEqual(ids.toSorted()), {
      timeout: 60_000,
      interval: 100,
    });
  });
  await nobody.close();
});

it("goes on when a refusal can't be noted", async () => {
  const [runId = ""] = await insertQueuedRuns(superuser, 1);
  let isDown = false;
  const start = vi.fn(async () => {
    isDown = start.mock.calls.length === 1;
    return isDown ? { state: "refused" as const, cause: new Error("not so") } : { state: "started" as const };
  });
  const workflows: Pick<Temporal, "start" | "reachable"> = { ...temporal, start };
  const failing: InTransaction = (what) =>
    isDown ? Promise.reject(new Error("Postgres is away")) : inTransaction(what);
  const loop = release({ workflows, inTransaction: failing });
  await whileRunning([loop], async () => {
    await vi.waitFor(() => expect(isDown).toBe(true), { timeout: 10_000, interval: 20 });
    await new Promise((done) => setImmediate(done));
    isDown = false;
    await superuser.query("update run_queue set claimed_until = now() - interval '1 second'");
    loop.wake();
    await vi.waitFor(async () => expect(await startedIds()).toEqual([runId]), { timeout: 15_000, interval: 50 });
  });
});

it("starts the neighbours of a run that Temporal refuses", async () => {
  const [bad = "", ...good] = await insertQueuedRuns(superuser, 4);
  await superuser.query("update runs set profile_id = repeat('x', 5000) where run_id = $1", [bad]);
  await whileRunning([release()], () =>
    vi.waitFor(async () => expect(await startedIds()).toEqual(good.toSorted()), { timeout: 60_000, interval: 50 }),
  );
  expect(await startedIds()).not.toContain(bad);
});

it("rings for a command of a run that has begun, and takes those that need no bell for delivered", async () => {
  const [begun = "", unbegun = "", ended = "", gone = ""] = await insertQueuedRuns(superuser, 4);
  await whileRunning([release()], () =>
    vi.waitFor(async () => expect(await startedIds()).toHaveLength(4), { timeout: 60_000, interval: 50 }),
  );
  await begin([begun, ended, gone]);
  await superuser.query("update runs set status = 'COMPLETED', ended_at = now() where run_id = $1", [ended]);
  await client.workflow.getHandle(workflowIdOf("acme", gone, 1)).terminate();
  for (const runId of [begun, unbegun, ended, gone])
    await superuser.query(
      "insert into run_commands (tenant, org, command_id, run_id, generation, kind, principal, reason) values ('acme', 'retail', $1, $2, 1, 'cancel', 'ann', '')",
      [randomUUID(), runId],
    );
  const ring = vi.fn(temporal.ring);
  await whileRunning([createPumpCommands({ inTransaction, workflows: { ring }, log })], () =>
    vi.waitFor(
      async () => {
        const { rows } = await superuser.query("select count(*) from run_commands where delivered_at is not null");
        expect(rows[0].count).toBe(4);
      },
      { timeout: 60_000, interval: 50 },
    ),
  );
  expect(ring.mock.calls.map(([run]) => run.runId).toSorted()).toEqual([begun, gone].toSorted());
  const { events } = await client.workflow.getHandle(workflowIdOf("acme", begun, 1)).fetchHistory();
  expect(events?.some((event) => event.workflowExecutionSignaledEventAttributes?.signalName === "doorbell")).toBe(true);
});

it("keeps a command due while Temporal is away", async () => {
  const [runId = ""] = await insertQueuedRuns(superuser, 1);
  await admit(await claim(1));
  await begin([runId]);
  await superuser.query(
    "insert into run_commands (tenant, org, command_id, run_id, generation, kind, principal, reason) values ('acme', 'retail', $1, $2, 1, 'cancel', 'ann', '')",
    [randomUUID(), runId],
  );
  const ring = vi.fn(async () => ({ state: "away" as const, cause: new Error("no answer") }));
  await whileRunning([createPumpCommands({ inTransaction, workflows: { ring }, log })], () =>
    vi.waitFor(() => expect(ring.mock.calls.length).toBeGreaterThan(1), { timeout: 60_000, interval: 50 }),
  );
  const { rows } = await superuser.query(
    "select delivered_at, next_attempt_at > now() - interval '5 seconds' as due from run_commands",
  );
  expect(rows).toEqual([{ delivered_at: null, due: true }]);
});
