import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { check } from "../../src/check/check.ts";
import { createSnapshots } from "../../src/drivers/postgres/in-scope.ts";
import { dropExpired } from "../../src/drivers/postgres/retention.ts";
import { insertQueuedRuns } from "../support/builders/queued-runs.ts";
import type { BorrowedEngines } from "../support/engines/borrow-engines.ts";
import { borrowEngines } from "../support/engines/borrow-engines.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";

let engines: BorrowedEngines;
let database: TestDatabase;
let superuser: pg.Pool;
let dispatcher: pg.Pool;

beforeAll(async () => {
  engines = await borrowEngines({ postgres: true });
  database = await createDatabase(engines.postgres.url);
  superuser = new pg.Pool({ connectionString: database.superuserUrl, max: 2 });
  superuser.on("error", () => undefined);
  dispatcher = database.poolOf("dispatcher");
});
afterAll(async () => {
  await superuser?.end();
  await database?.close();
  await engines?.stop();
});
beforeEach(async () => {
  await superuser.query(
    "truncate runs, run_queue, run_streams, run_events, outbox, run_requests, deliveries, platform_deliveries, event_identities",
  );
  await superuser.query("update kept_since set since = '-infinity'");
});

/** A run of so many days ago with an event, its request and a repeated delivery. */
async function aRun(daysAgo: number, { hasEnded = true } = {}): Promise<string> {
  const [runId = ""] = await insertQueuedRuns(superuser, 1);
  await superuser.query("delete from run_queue");
  const day = `(now() at time zone 'utc')::date - ${daysAgo}`;
  await superuser.query(
    `do $$ declare d date := ${day}; begin
       if to_regclass(format('run_events_%s', to_char(d, 'YYYYMMDD'))) is null then
         execute format('create table run_events_%s partition of run_events for values from (%L) to (%L)', to_char(d, 'YYYYMMDD'), d, d + 1);
         execute format('alter table run_events_%s owner to automation_migrate', to_char(d, 'YYYYMMDD'));
       end if; end $$`,
  );
  await superuser.query(
    `update runs set day = ${day}, created_at = now() - make_interval(days => ${daysAgo}), begun_at = now(),
       ${hasEnded ? "status = 'FAILED', ended_at = now(), due_at = null" : "status = 'RUNNING', due_at = now() + interval '1 day'"} where run_id = $1`,
    [runId],
  );
  await superuser.query(
    "update run_streams set last_sequence = 1, published_sequence = 1, closed = $2 where run_id = $1",
    [runId, hasEnded],
  );
  await superuser.query(
    `insert into run_events (tenant, org, run_id, day, sequence, writer_key, at, hash, event) select tenant, org, run_id, day, 1, 'w', now(), 'h', '{}' from runs where run_id = $1`,
    [runId],
  );
  await superuser.query(
    `insert into run_requests (tenant, request_id, org, source, event_id, event_type, disposition, run_id, position, payload, received_at)
       select tenant, request_id, org, source, event_id, 't', 'accepted', run_id, 'p/' || event_id, '{}', created_at from runs where run_id = $1`,
    [runId],
  );
  await superuser.query(
    `insert into event_identities (tenant, org, source, event_id, digest_version, payload_digest, request_id, run_id, position, record_digest, created_at)
       select tenant, org, source, event_id, 1, 'd', request_id, run_id, position, 'r', received_at from run_requests where run_id = $1`,
    [runId],
  );
  await superuser.query(
    `insert into deliveries (tenant, org, position, record_digest, request_id, source, event_id, event_type, run_id, disposition, received_at)
       select tenant, org, position || '/again', 'r', request_id, source, event_id, event_type, run_id, 'duplicate', received_at from run_requests where run_id = $1`,
    [runId],
  );
  return runId;
}

const runsWith = async (table: string): Promise<string[]> =>
  (await superuser.query(`select run_id from ${table} order by run_id`)).rows.map((row) => row.run_id);
const findings = async () => {
  const snapshot = createSnapshots(database.poolOf("check"));
  const report = await check({ snapshot }, { signal: AbortSignal.timeout(60_000) });
  return report.findings
    .filter(({ what }) => /request|events, to number|is named/.test(what))
    .map(({ id, what }) => ({ id, what }));
};

describe("retention", () => {
  it("drops days of run events that are over, up to the first with a run that goes on or an event that is not published", async () => {
    const [old, going, older] = [await aRun(120), await aRun(110, { hasEnded: false }), await aRun(130)];
    const [unpublished, kept] = [await aRun(105), await aRun(92)];
    const all = [old, going, older, unpublished, kept].toSorted();
    expect(await runsWith("run_events")).toEqual(all);
    await dropExpired(dispatcher, {});
    expect(await runsWith("run_events")).toEqual(all);
    await dropExpired(dispatcher, { runEvents: 93 });
    expect(await runsWith("run_events")).toEqual([going, unpublished, kept].toSorted());
    await superuser.query("update runs set status = 'FAILED', ended_at = now(), due_at = null where run_id = $1", [
      going,
    ]);
    await superuser.query("update run_streams set closed = true");
    await superuser.query(
      "insert into outbox (lane, kind, tenant, run_id, through_sequence, topic) select 0, 'run_events', tenant, run_id, 1, 't' from runs where run_id = $1",
      [unpublished],
    );
    await dropExpired(dispatcher, { runEvents: 93 });
    expect(await runsWith("run_events")).toEqual([unpublished, kept].toSorted());
    await superuser.query("delete from outbox");
    await dropExpired(dispatcher, { runEvents: 93 });
    expect(await runsWith("run_events")).toEqual([kept]);
    expect(await runsWith("runs")).toEqual(all);
    expect(await findings()).toEqual([]);
    await superuser.query("delete from run_events");
    expect(await findings()).toMatchObject([{ id: kept }]);
  });

  it("refuses to keep run events for less than a run may go on", async () => {
    await expect(dropExpired(dispatcher, { runEvents: 92 })).rejects.toMatchObject({ code: "22023" });
  });

  it("deletes old requests of runs that have ended and old deliveries, piece by piece, and keeps every identity", async () => {
    const [old, going, kept] = [await aRun(40), await aRun(40, { hasEnded: false }), await aRun(29)];
    await superuser.query(
      `insert into platform_deliveries (position, disposition, cause, reasons, size_bytes, received_at)
         select 'p/' || n, 'quarantined', 'unreadable', '[]', 1, now() - n * interval '10 days' from generate_series(1, 6) as n`,
    );
    expect(await dropExpired(dispatcher, { requests: 30, deliveries: 30 })).toBe(false);
    expect(await runsWith("run_requests")).toEqual([going, kept].toSorted());
    expect(await runsWith("deliveries")).toEqual([kept]);
    expect((await superuser.query("select position from platform_deliveries order by 1")).rows).toEqual([
      { position: "p/1" },
      { position: "p/2" },
    ]);
    expect(await runsWith("event_identities")).toEqual([old, going, kept].toSorted());
    expect(await findings()).toEqual([]);
    await superuser.query("delete from run_requests where run_id = $1", [kept]);
    expect((await findings()).map(({ what }) => what).toSorted()).toEqual([
      expect.stringMatching(/^belongs to request .* which has none$/),
      "is named by an identity or a delivery, and is not there",
      "is named by an identity or a delivery, and is not there",
    ]);
  });

  it("says that there may be more after a full piece", async () => {
    await superuser.query(
      `insert into platform_deliveries (position, disposition, cause, reasons, size_bytes, received_at)
         select 'p/' || n, 'quarantined', 'unreadable', '[]', 1, now() - interval '50 days' from generate_series(1, 1500) as n`,
    );
    expect(await dropExpired(dispatcher, { deliveries: 30 })).toBe(true);
    expect(await dropExpired(dispatcher, { deliveries: 30 })).toBe(false);
    expect((await superuser.query("select count(*)::int as left from platform_deliveries")).rows).toEqual([
      { left: 0 },
    ]);
  });

  it("leaves young rows of the ledger to nobody, the owner included", async () => {
    await aRun(29);
    const owner = new pg.Client({ connectionString: database.urlOf("migrate") });
    await owner.connect();
    for (const table of ["run_requests", "deliveries"])
      await expect(owner.query(`delete from ${table}`)).rejects.toMatchObject({ code: "42501" });
    await expect(owner.query("select drop_requests(0, 10)")).rejects.toMatchObject({ code: "42501" });
    await owner.end();
    await expect(dispatcher.query("delete from run_requests")).rejects.toMatchObject({ code: "42501" });
  });
});
