import type { Pool } from "pg";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { claimRuns } from "../../src/admission/claim-runs.ts";
import type { RunKey } from "../../src/admission/claim-store.ts";
import { giveBack, markStarted, postponeStart } from "../../src/admission/claim-store.ts";
import { createListQueue } from "../../src/admission/list-queue.ts";
import { createInScope, createInTransaction } from "../../src/drivers/postgres/in-scope.ts";
import type { InRun } from "../../src/runs/in-run.ts";
import { createInRun } from "../../src/runs/in-run.ts";
import { admitExecution, beginNextGeneration, findStartCapability } from "../../src/runs/run-store.ts";
import type { InScope, InTransaction, Transaction } from "../../src/tenancy/transaction.ts";
import { insertQueuedRuns } from "../support/builders/queued-runs.ts";
import type { BorrowedEngines } from "../support/engines/borrow-engines.ts";
import { borrowEngines } from "../support/engines/borrow-engines.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";

let engines: BorrowedEngines;
let database: TestDatabase;
let superuser: Pool;
let inTransaction: InTransaction;
let inScope: InScope;
let inRun: InRun;

beforeAll(async () => {
  engines = await borrowEngines({ postgres: true });
  database = await createDatabase(engines.postgres.url);
  superuser = new pg.Pool({ connectionString: database.superuserUrl });
  superuser.on("error", () => undefined); // the server may end a connection before the pool has
  inTransaction = createInTransaction(database.poolOf("dispatcher"));
  inScope = createInScope(database.poolOf("api"));
  inRun = createInRun({ inScope, now: () => new Date() });
});
afterAll(async () => {
  await Promise.allSettled([database?.close(), superuser?.end()]);
  await engines?.stop();
});
beforeEach(() =>
  superuser.query(
    "truncate runs, run_queue, queue_places, queue_lanes, queue_lane_changes, queue_counts, queue_place_changes, queue_turns, run_streams, run_events, outbox, run_commands, reconciliations, workflow_rules",
  ),
);

interface Limit {
  readonly id: string;
  readonly scope: "RULE" | "TENANT" | "REPOSITORY" | "PROFILE";
  readonly most: number;
}

async function putRule(ruleId: string, limits: readonly Limit[], tenant = "acme"): Promise<void> {
  const written = limits.map(({ id, scope, most }) => ({
    id,
    scope: `QUEUE_LIMIT_SCOPE_${scope}`,
    maxConcurrentRuns: most,
  }));
  await superuser.query(
    `insert into workflow_rules (tenant, rule_id, priority, rule, updated_by) values ($1, $2, 1, $3, 'ann')
     on conflict (tenant, rule_id) do update set rule = excluded.rule`,
    [tenant, ruleId, JSON.stringify({ id: ruleId, limits: written })],
  );
}

const claim = (atMost = 100) =>
  inTransaction((transaction) => claimRuns(transaction, { maxUnbegun: 1_000, atMost, weightOf: () => 1 }));
const claimedIds = async () => (await claim()).map(({ runId }) => runId);

const begin = (runId: string, tenant = "acme") =>
  inRun({ tenant, org: "retail", runId }, async ({ transaction, run }) => {
    await admitExecution(transaction, run, {
      generation: run.generation,
      firstExecutionRunId: runId,
      startCapability: await findStartCapability(transaction, run),
      begunAt: new Date(),
    });
  });
const end = (runId: string, tenant = "acme") =>
  inRun({ tenant, org: "retail", runId }, async ({ moveTo }) => {
    await moveTo("SEALING", "end/1");
    await moveTo("CANCELLED", "end/2");
  });

it("starts as many as a limit has places, and the next when one has ended", async () => {
  await putRule("nightly", [{ id: "few", scope: "RULE", most: 2 }]);
  const [first = "", second = "", third = "", fourth = ""] = await insertQueuedRuns(superuser, 4, {
    ruleId: "nightly",
    keys: ["few/rule/nightly"],
  });
  expect(await claimedIds()).toEqual([first, second]);
  expect(await claimedIds()).toEqual([]);
  await begin(first);
  expect(await claimedIds()).toEqual([]);
  await end(first);
  expect(await claimedIds()).toEqual([third]);
  await end(second); // never begun
  expect(await claimedIds()).toEqual([fourth]);
});

it("lets runs without limits pass those that wait, in the order of priority and age", async () => {
  await putRule("nightly", [{ id: "few", scope: "RULE", most: 1 }]);
  const [held = "", ...waiting] = await insertQueuedRuns(superuser, 3, {
    ruleId: "nightly",
    keys: ["few/rule/nightly"],
    priority: 2,
  });
  const free = await insertQueuedRuns(superuser, 2, { priority: 3 });
  const urgent = await insertQueuedRuns(superuser, 1, { priority: 1 });
  expect(await claimedIds()).toEqual([...urgent, held, ...free]);
  expect(await claimedIds()).toEqual([]);
  await end(held);
  expect(await claimedIds()).toEqual(waiting.slice(0, 1));
});

it("gives a run all its places or none", async () => {
  await putRule("nightly", [
    { id: "all", scope: "TENANT", most: 3 },
    { id: "one-each", scope: "REPOSITORY", most: 1 },
  ]);
  const keys = (repository: string) => ["all/tenant/acme", `one-each/repository/${repository}`];
  const shop = await insertQueuedRuns(superuser, 3, { ruleId: "nightly", keys: keys("shop") });
  const pay = await insertQueuedRuns(superuser, 1, { ruleId: "nightly", keys: keys("pay") });
  const claimed = [...(await claimedIds()), ...(await claimedIds())]; // those that wait for the shop have the first turns of the tenant's limit
  expect(claimed.toSorted()).toEqual([shop[0], pay[0]].toSorted());
  const { rows } = await superuser.query("select key, count(*)::int from queue_places group by key order by key");
  expect(rows).toEqual([
    { key: "all/tenant/acme", count: 2 },
    { key: "one-each/repository/pay", count: 1 },
    { key: "one-each/repository/shop", count: 1 },
  ]);
});

it("counts each tenant alone, though their rules and limits have the same names", async () => {
  for (const tenant of ["acme", "umbrella"]) {
    await putRule("nightly", [{ id: "few", scope: "RULE", most: 1 }], tenant);
    await insertQueuedRuns(superuser, 2, { tenant, ruleId: "nightly", keys: ["few/rule/nightly"] });
  }
  expect((await claim()).map(({ tenant }) => tenant).toSorted()).toEqual(["acme", "umbrella"]);
});

it("obeys a changed limit at the next claim: more start, fewer just wait, and without it all start", async () => {
  await putRule("nightly", [{ id: "few", scope: "RULE", most: 2 }]);
  const ids = await insertQueuedRuns(superuser, 6, { ruleId: "nightly", keys: ["few/rule/nightly"] });
  expect(await claimedIds()).toEqual(ids.slice(0, 2));
  await putRule("nightly", [{ id: "few", scope: "RULE", most: 3 }]);
  expect(await claimedIds()).toEqual(ids.slice(2, 3));
  await putRule("nightly", [{ id: "few", scope: "RULE", most: 1 }]);
  await end(ids[0] ?? "");
  await end(ids[1] ?? "");
  expect(await claimedIds()).toEqual([]);
  await end(ids[2] ?? "");
  expect(await claimedIds()).toEqual(ids.slice(3, 4));
  await putRule("nightly", []);
  expect(await claimedIds()).toEqual(ids.slice(4));
});

it("gives tenants and fairness keys their turns from one claim to the next, by the weight that the rule has now", async () => {
  await putRule("nightly", []);
  await superuser.query(
    `update workflow_rules set rule = rule || '{"fairness": {"by": "QUEUE_LIMIT_SCOPE_REPOSITORY", "weight": 3}}'`,
  );
  const shop = await insertQueuedRuns(superuser, 40, { ruleId: "nightly", fairnessKey: "repository/shop" });
  const pay = await insertQueuedRuns(superuser, 40, { fairnessKey: "repository/pay" });
  const other = await insertQueuedRuns(superuser, 40, { tenant: "umbrella" });
  const started: string[] = [];
  for (let n = 0; n < 8; n++) started.push(...(await claim(3)).map(({ runId }) => runId));
  const counts = [shop, pay, other].map((ids) => started.filter((id) => ids.includes(id)).length);
  expect(counts).toEqual([9, 3, 12]);
});

it("frees the places of a claim that is given back, and keeps those of a claim that ran out", async () => {
  await putRule("nightly", [{ id: "few", scope: "RULE", most: 1 }]);
  const [first = "", second = ""] = await insertQueuedRuns(superuser, 2, {
    ruleId: "nightly",
    keys: ["few/rule/nightly"],
  });
  expect(await claimedIds()).toEqual([first]);
  await inTransaction((transaction) => postponeStart(transaction, { tenant: "acme", runId: first }));
  expect(await claimedIds()).toEqual([second]);
  await superuser.query("update run_queue set claimed_until = now() - interval '1 second' where run_id = $1", [second]);
  expect(await claimedIds()).toEqual([second]);
  await inTransaction((transaction) => giveBack(transaction, [{ tenant: "acme", runId: second }]));
  expect((await superuser.query("select from queue_places")).rowCount).toBe(0);
});

it("tells what runs and waits under each limit", async () => {
  await putRule("nightly", [{ id: "few", scope: "RULE", most: 1 }]);
  await insertQueuedRuns(superuser, 3, { ruleId: "nightly", keys: ["few/rule/nightly"] });
  await claim();
  await claim(); // adds up what the first one took
  const { limits } = await createListQueue({ inScope })({ tenant: "acme", org: "*" });
  expect(limits).toEqual([
    {
      limitId: "few",
      scope: "QUEUE_LIMIT_SCOPE_RULE",
      value: "nightly",
      running: 1,
      waiting: 2,
      maxConcurrentRuns: [1],
    },
  ]);
});

it("leaks no place and takes none too many, whatever happens in whatever order", async () => {
  const seed = 20_261_201;
  const random = seeded(seed);
  const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(random() * from.length)];
  const most: Record<string, number> = { "all/tenant/acme": 5, "few/rule/nightly": 3, "one/repository/shop": 2 };
  const sets = [["all/tenant/acme"], ["few/rule/nightly", "one/repository/shop"], Object.keys(most), []];
  await putRule("nightly", [
    { id: "all", scope: "TENANT", most: 5 },
    { id: "few", scope: "RULE", most: 3 },
    { id: "one", scope: "REPOSITORY", most: 2 },
  ]);
  const keysOf = new Map<string, readonly string[]>();
  const crash = new Error("the process dies before its commit");
  /** Every third transaction is undone at its end. */
  const perhaps = async (work: (transaction: Transaction) => Promise<unknown>): Promise<void> => {
    await inTransaction(async (transaction) => {
      await work(transaction);
      if (random() < 0.3) throw crash;
    }).catch((error: unknown) => {
      if (error !== crash) throw error;
    });
  };
  const queued = async (where: string): Promise<RunKey[]> =>
    (await superuser.query(`select tenant, run_id as "runId" from run_queue where ${where} order by run_id`)).rows;
  const open = async (where: string): Promise<string[]> =>
    (
      await superuser.query(
        `select run_id from runs where ended_at is null and status <> 'CANCELLED' and ${where} order by created_at`,
      )
    ).rows.map((row) => row.run_id);

  const steps: readonly (() => Promise<unknown>)[] = [
    async () => {
      const keys = pick(sets) ?? [];
      const [runId = ""] = await insertQueuedRuns(superuser, 1, { ruleId: "nightly", keys });
      keysOf.set(runId, keys);
    },
    () =>
      perhaps((transaction) =>
        claimRuns(transaction, { maxUnbegun: 1_000, atMost: 1 + Math.floor(random() * 4), weightOf: () => 1 }),
      ),
    async () => {
      const run = pick(await queued("claimed_until is not null and started_at is null"));
      if (run)
        await perhaps((transaction) =>
          random() < 0.5 ? giveBack(transaction, [run]) : postponeStart(transaction, run),
        );
      await superuser.query("update run_queue set not_before = default");
    },
    async () => {
      const run = pick(await queued("claimed_until is not null and started_at is null"));
      if (run) await perhaps((transaction) => markStarted(transaction, [run]));
    },
    async () => {
      const run = pick(await queued("claimed_until is not null"));
      if (run) await begin(run.runId);
    },
    () =>
      superuser.query(
        "update run_queue set claimed_until = now() - interval '1 second' where claimed_until is not null and started_at is null",
      ),
    async () => {
      const runId = pick(await open("true"));
      if (runId !== undefined) await end(runId);
    },
    async () => {
      const runId = pick([
        ...(await open("begun_at is not null")),
        ...(await queued("started_at is not null")).map((run) => run.runId),
      ]);
      if (runId !== undefined)
        await inRun({ tenant: "acme", org: "retail", runId }, ({ transaction, run }) =>
          beginNextGeneration(transaction, run),
        );
    },
  ];
  const history: number[] = [];
  for (let n = 0; n < 400; n++) {
    const index = Math.floor(random() * steps.length);
    history.push(index);
    await steps[index]?.();
    const { rows } = await superuser.query(
      `select r.run_id, array(select p.key from queue_places p where p.run_id = r.run_id order by 1) as keys,
         r.status <> 'CANCELLED' and (q.run_id is null or q.claimed_until is not null or q.keys = '{}') as holds
       from runs r left join run_queue q using (tenant, run_id)`,
    );
    const why = `seed ${seed}, steps ${history.join(" ")}`;
    const taken: Record<string, number> = {};
    for (const { run_id, keys, holds } of rows) {
      expect([run_id, keys], why).toEqual([run_id, holds ? [...(keysOf.get(run_id) ?? [])].toSorted() : []]);
      for (const key of keys) taken[key] = (taken[key] ?? 0) + 1;
    }
    for (const [key, count] of Object.entries(taken))
      expect(count, `${key}, ${why}`).toBeLessThanOrEqual(most[key] ?? 0);
  }
  for (const runId of await open("true")) await end(runId);
  expect((await superuser.query("select from queue_places")).rowCount).toBe(0);
});

/** Numbers from 0 to 1, the same for each seed. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
