import { create } from "@bufbuild/protobuf";
import type { Pool } from "pg";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { claimRuns } from "../../src/admission/claim-runs.ts";
import { createHoldQueue, createReleaseQueue } from "../../src/admission/hold-queue.ts";
import { createListQueue } from "../../src/admission/list-queue.ts";
import { createInScope, createInTransaction } from "../../src/drivers/postgres/in-scope.ts";
import type { QueueSelection } from "../../src/gen/workflows_runtime/v1/queue_hold_pb.ts";
import { QueueSelectionSchema } from "../../src/gen/workflows_runtime/v1/queue_hold_pb.ts";
import type { InScope, InTransaction } from "../../src/tenancy/transaction.ts";
import { aPrincipal } from "../support/builders/declared.ts";
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

beforeAll(async () => {
  engines = await borrowEngines({ postgres: true });
  database = await createDatabase(engines.postgres.url);
  superuser = new pg.Pool({ connectionString: database.superuserUrl });
  superuser.on("error", () => undefined); // the server may end a connection before the pool has
  inTransaction = createInTransaction(database.poolOf("dispatcher"));
  inScope = createInScope(database.poolOf("api"));
});
afterAll(async () => {
  await Promise.allSettled([database?.close(), superuser?.end()]);
  await engines?.stop();
});
beforeEach(async () => {
  await superuser.query(
    "truncate runs, run_queue, queue_holds, queue_places, queue_lanes, queue_lane_changes, queue_counts, queue_place_changes, queue_turns, run_streams, workflow_rules",
  );
  await superuser.query(
    `insert into workflow_rules (tenant, rule_id, priority, rule, updated_by) select 'acme', id, 1, '{"limits":[{"id":"few","scope":"QUEUE_LIMIT_SCOPE_RULE","maxConcurrentRuns":1}]}', 'ann'
     from unnest(array['nightly', 'daily']) as id`,
  );
});

const byRule = (value: string) => create(QueueSelectionSchema, { of: { case: "ruleId", value } });
const everything = create(QueueSelectionSchema, { of: { case: "all", value: {} } });
const hold = (what: QueueSelection, who = aPrincipal("acme"), reason = "the repository moves") =>
  createHoldQueue({ inScope, now: () => new Date() })(what, reason, who);
const released: QueueSelection[] = [];
const release = (what: QueueSelection, who = aPrincipal("acme")) =>
  createReleaseQueue({ inScope, onReleased: () => released.push(what) })(what, who);
const queue = () => createListQueue({ inScope })({ tenant: "acme", org: "retail" });
const claimed = async (atMost = 1_000) =>
  (await inTransaction((transaction) => claimRuns(transaction, { maxUnbegun: 1_000, atMost, weightOf: () => 1 }))).map(
    ({ runId }) => runId,
  );
const runsOf = (ruleId: string, count: number, keys: readonly string[] = []) =>
  insertQueuedRuns(superuser, count, { ruleId, keys });

it("keeps the runs of a rule from starting, those that come included, and no others; released, they go in their order", async () => {
  const held = await runsOf("nightly", 2);
  const free = await runsOf("daily", 1);
  expect(await hold(byRule("nightly"))).toMatchObject({ reason: "the repository moves", heldBy: "ada", org: "retail" });
  expect(await claimed()).toEqual(free);
  held.push(...(await runsOf("nightly", 1)));
  expect(await claimed()).toEqual([]);
  expect(await queue()).toMatchObject({
    next: held.map((runId, index) => ({ runId, position: index + 1, ruleId: "nightly", hold: { ruleId: "nightly" } })),
    holds: [{ what: { ruleId: "nightly" }, waiting: 3 }],
  });
  await release(byRule("nightly"));
  expect(released).toHaveLength(1);
  expect(await claimed()).toEqual(held);
  expect((await queue()).holds).toEqual([]);
});

it("brings back more lanes than one look does", async () => {
  for (let n = 0; n < 120; n += 1) await insertQueuedRuns(superuser, 1, { fairnessKey: `key/${n}` });
  await hold(everything);
  for (let look = 0; look < 3; look += 1) expect(await claimed(50)).toEqual([]);
  await release(everything);
  const all = new Set<string>();
  for (let look = 0; look < 6; look += 1) for (const runId of await claimed(50)) all.add(runId);
  expect(all.size).toBe(120);
});

it("goes before a limit, and a limit that was full still is when it is released", async () => {
  const [first = "", second = ""] = await runsOf("nightly", 2, ["few/rule/nightly"]);
  expect(await claimed()).toEqual([first]);
  expect((await queue()).next).toMatchObject([{ runId: second, limit: { limitId: "few", value: "nightly" } }]);
  await hold(byRule("nightly"));
  await superuser.query("delete from run_queue where run_id = $1", [first]);
  await superuser.query("delete from queue_places where run_id = $1", [first]);
  expect(await claimed()).toEqual([]);
  expect((await queue()).next).toMatchObject([{ runId: second, hold: { ruleId: "nightly" } }]);
  await release(byRule("nightly"));
  expect(await claimed()).toEqual([second]);
});

it("holds what is its org's alone", async () => {
  const mine = await runsOf("nightly", 1);
  await hold(everything, { ...aPrincipal("acme"), org: "wholesale" });
  expect(await claimed()).toEqual(mine);
  await expect(release(everything)).rejects.toMatchObject({ code: "unknown_hold" });
});

it("keeps its first reason, and refuses what nobody knows", async () => {
  await hold(byRule("nightly"));
  expect(await hold(byRule("nightly"), aPrincipal("acme"), "another")).toMatchObject({
    reason: "the repository moves",
  });
  await expect(hold(byRule("nigthly"))).rejects.toThrow(
    'rule_id "nigthly" is not known here: it must be the id of a rule of this tenant; `automation rule list` shows them',
  );
  await expect(release(byRule("daily"))).rejects.toThrow('what "daily" is not known here');
});
