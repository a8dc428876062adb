import { readFileSync } from "node:fs";
import pg from "pg";
import { claimRuns } from "../../src/admission/claim-runs.ts";
import type { RunKey } from "../../src/admission/claim-store.ts";
import { createInTransaction } from "../../src/drivers/postgres/in-scope.ts";
import type { InTransaction } from "../../src/tenancy/transaction.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";
import { startEngines } from "../support/engines/engines.ts";
import { quantile, table } from "./statistics.ts";

const tenants = 200;
const queued = 100_000;
const repositories = 10;
const unlimited = 1_000_000;
const emptied =
  "truncate run_queue, queue_places, queue_lanes, queue_lane_changes, queue_counts, queue_place_changes, queue_turns, workflow_rules";

interface Queue {
  readonly superuser: pg.Pool;
  readonly dispatcher: InTransaction;
  /** CPU of the one connection that claims, in milliseconds so far. */
  cpuMs(): number;
}

/** What a claim costs Postgres under many limits, beside a bare queue in the same server, and how fair it is. */
export async function benchQueue(): Promise<void> {
  const engines = await startEngines({ postgres: true });
  try {
    const database = await createDatabase(engines.postgres.url);
    const queue = await connect(database);
    try {
      await queue.superuser.query(
        "create table bare_queue (id bigint generated always as identity primary key, priority int, queued_at timestamptz, claimed_until timestamptz)",
      );
      const rows: string[][] = [];
      for (const batch of [128, 1]) {
        rows.push([`bare SKIP LOCKED, ${batch} a claim`, ...(await bare(queue, batch))]);
        await fill(queue, { most: unlimited });
        rows.push([`limits with room, ${batch} a claim`, ...(await drain(queue, batch))]);
      }
      await fill(queue, { most: 5 });
      rows.push(["limits full, one ends, one starts", ...(await turnOver(queue))]);
      rows.push(["limits full, nothing may start", ...(await lookInVain(queue))]);
      console.log(
        `${tenants} tenants, 3 limits each, ${queued} queued\n\n${table(["Claim", "CPU ms of Postgres per start", "ms per claim: p50", "p99"], rows)}`,
      );
      console.log(
        `\n${table(
          ["Fairness", "measured", "aim"],
          [
            [
              "p95 wait of a tenant beside one with 16 times as much ÷ its wait alone",
              (await skew(queue)).toFixed(2),
              "≤ 1.5",
            ],
            ["Jain's index of 9 tenants that ask for 1 to 256 times as much", (await jain(queue)).toFixed(4), "≥ 0.99"],
          ],
        )}`,
      );
    } finally {
      await queue.close();
      await database.close();
    }
  } finally {
    await engines.stop();
  }
}

async function connect(database: TestDatabase): Promise<Queue & { close(): Promise<void> }> {
  const superuser = new pg.Pool({ connectionString: database.superuserUrl, max: 1 });
  const one = new pg.Pool({ connectionString: database.urlOf("dispatcher"), max: 1, idleTimeoutMillis: 0 });
  for (const pool of [superuser, one]) pool.on("error", () => undefined); // the server may end a connection before the pool has
  const { rows } = await one.query("select pg_backend_pid() as pid");
  const stat = `/proc/${rows[0].pid}/stat`;
  return {
    superuser,
    dispatcher: createInTransaction(one),
    cpuMs: () => {
      const [user = 0, system = 0] =
        readFileSync(stat, "utf8").split(") ")[1]?.split(" ").slice(11, 13).map(Number) ?? [];
      return (user + system) * 10; // clock ticks of Linux
    },
    close: async () => {
      await Promise.all([superuser.end(), one.end()]);
    },
  };
}

/** Queues runs of many tenants, each with a rule that has a limit of the tenant, of the rule and of each repository. */
async function fill({ superuser }: Queue, { most }: { readonly most: number }): Promise<void> {
  await superuser.query(emptied);
  const limits = ["TENANT", "RULE", "REPOSITORY"].map((scope) => ({
    id: scope.toLowerCase(),
    scope: `QUEUE_LIMIT_SCOPE_${scope}`,
    maxConcurrentRuns: most,
  }));
  await superuser.query(
    `insert into workflow_rules (tenant, rule_id, priority, rule, updated_by)
     select 'tenant-' || n, 'nightly', 1, jsonb_build_object('id', 'nightly', 'limits', $2::jsonb), 'bench' from generate_series(1, $1::int) as n`,
    [tenants, JSON.stringify(limits)],
  );
  await superuser.query(
    `insert into run_queue (tenant, org, run_id, priority, queued_at, rule_id, repository, keys)
     select 'tenant-' || n % $1, 'retail', gen_random_uuid(), 3, now() - interval '1 minute' + n * interval '1 microsecond', 'nightly', 'repo-' || n / $1 % $3,
       array['repository/repository/repo-' || n / $1 % $3, 'rule/rule/nightly', 'tenant/tenant/tenant-' || n % $1] from generate_series(1, $2::int) as n`,
    [tenants, queued, repositories],
  );
  await superuser.query("vacuum analyze run_queue");
}

const claim = (queue: Queue, atMost: number) =>
  queue.dispatcher((transaction) => claimRuns(transaction, { maxUnbegun: unlimited, atMost, weightOf: () => 1 }));

async function drain(queue: Queue, batch: number): Promise<string[]> {
  await claim(queue, 1); // adds up what was queued
  return measure(queue, Math.round(2_560 / Math.sqrt(batch)), () => claim(queue, batch));
}

async function bare(queue: Queue, batch: number): Promise<string[]> {
  await queue.superuser.query("truncate bare_queue");
  await queue.superuser.query(
    "insert into bare_queue (priority, queued_at) select 3, now() + n * interval '1 microsecond' from generate_series(1, $1::int) as n",
    [queued],
  );
  await queue.superuser.query(
    "create index if not exists bare_order on bare_queue (priority, queued_at) where claimed_until is null",
  );
  await queue.superuser.query("grant select, update on bare_queue to automation_dispatcher");
  return measure(queue, Math.round(2_560 / Math.sqrt(batch)), () =>
    queue.dispatcher(async (transaction) => {
      await transaction.query("set local synchronous_commit = off");
      const { rowCount } = await transaction.query(
        `update bare_queue set claimed_until = clock_timestamp() + interval '10 seconds'
         where id in (select id from bare_queue where claimed_until is null order by priority, queued_at limit $1 for update skip locked)`,
        [batch],
      );
      return Array.from({ length: rowCount ?? 0 });
    }),
  );
}

/** Every limit is full; a run ends, and the next one takes its place. */
async function turnOver(queue: Queue): Promise<string[]> {
  const running: RunKey[] = [];
  for (let claimed = await claim(queue, 500); claimed.length > 0; claimed = await claim(queue, 500)) {
    running.push(...claimed);
    await begin(queue);
  }
  return measure(queue, 1_000, async () => {
    const ended = running.shift();
    await queue.superuser.query("delete from queue_places where tenant = $1 and run_id = $2", [
      ended?.tenant,
      ended?.runId,
    ]);
    const claimed = await claim(queue, 128);
    running.push(...claimed);
    return claimed;
  });
}

async function lookInVain(queue: Queue): Promise<string[]> {
  const [, ...times] = await measure(queue, 500, () => claim(queue, 128));
  return ["", ...times];
}

/** Claimed runs leave the queue, as they do when their workflows begin. */
const begin = ({ superuser }: Queue) => superuser.query("delete from run_queue where claimed_until is not null");

/** @param claimOnce - returns what it started */
async function measure(queue: Queue, times: number, claimOnce: () => Promise<readonly unknown[]>): Promise<string[]> {
  const tookMs: number[] = [];
  let started = 0;
  const cpu = queue.cpuMs();
  for (let n = 0; n < times; n += 1) {
    const began = performance.now();
    started += (await claimOnce()).length;
    tookMs.push(performance.now() - began);
    await begin(queue);
  }
  console.error(`queue: ${started} started by ${tookMs.length} claims`);
  return [((queue.cpuMs() - cpu) / started).toFixed(3), ...[0.5, 0.99].map((q) => quantile(tookMs, q).toFixed(2))];
}

async function enqueue({ superuser }: Queue, tenant: string, count: number): Promise<void> {
  await superuser.query(
    "insert into run_queue (tenant, org, run_id, priority, queued_at) select $1, 'retail', gen_random_uuid(), 3, clock_timestamp() from generate_series(1, $2::int)",
    [tenant, count],
  );
}

/** Runs of the small tenant come one a round, and eight runs start in a round: its wait is counted in starts. */
async function skew(queue: Queue): Promise<number> {
  const waits = async (neighbours: number): Promise<number> => {
    await queue.superuser.query(emptied);
    const perRound = 8;
    const waited: number[] = [];
    const since: number[] = [];
    for (let round = 0; round < 200; round += 1) {
      await enqueue(queue, "small", 1);
      since.push(round * perRound);
      if (neighbours > 0) await enqueue(queue, "large", neighbours);
      const claimed = await claim(queue, perRound);
      await begin(queue);
      for (const [place, { tenant }] of claimed.entries())
        if (tenant === "small") waited.push((round + 1) * perRound + place - (since.shift() ?? 0));
    }
    return quantile(waited, 0.95);
  };
  return (await waits(16)) / (await waits(0));
}

async function jain(queue: Queue): Promise<number> {
  await queue.superuser.query(emptied);
  const starts = new Map<string, number>();
  for (let n = 0; n < 9; n += 1) {
    await enqueue(queue, `tenant-${n}`, 100 * 2 ** n);
    starts.set(`tenant-${n}`, 0);
  }
  for (let round = 0; round < 9; round += 1) {
    for (const { tenant } of await claim(queue, 97)) starts.set(tenant, (starts.get(tenant) ?? 0) + 1);
    await begin(queue);
  }
  const shares = [...starts.values()];
  const sum = shares.reduce((total, share) => total + share, 0);
  return sum ** 2 / (shares.length * shares.reduce((total, share) => total + share ** 2, 0));
}
