import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { check } from "../../src/check/check.ts";
import { createSnapshots } from "../../src/drivers/postgres/in-scope.ts";
import type { Receiver } from "../../src/methodology/methodology.ts";
import { watch } from "../../src/processes/check.ts";
import type { InTransaction } from "../../src/tenancy/transaction.ts";
import { insertQueuedRuns } from "../support/builders/queued-runs.ts";
import { complete, makeWork, worked } from "../support/builders/worked-run.ts";
import { freePorts } from "../support/engines/free-ports.ts";
import { scrumAt } from "../support/engines/scrum-service-process.ts";
import type { Sealing } from "../support/worlds/sealing.ts";
import { ran, startSealing } from "../support/worlds/sealing.ts";

/** A database with runs of every kind, in which nothing is wrong; each test makes one thing wrong, looks, and takes it back. */
let sealing: Sealing;
let made: ReturnType<typeof makeWork>;
let ids: { completed: string; failed: string; queued: string };

const context = { scrum: { product: "shop", sprint: "S-7", backlogItems: ["B-1"] } };
const willing: Receiver = {
  ...scrumAt("http://127.0.0.1:1"),
  send: async () => ({ state: "ACKNOWLEDGED", answer: {}, returned: [] }),
};
const signal = () => AbortSignal.timeout(60_000);

beforeAll(async () => {
  made = makeWork();
  sealing = await startSealing();
  const seal = sealing.wire(() => willing);
  const begin = (work?: typeof made.work) =>
    sealing.beginRun({
      tenant: "acme",
      requirements: work === undefined ? [ran] : [ran, ...worked],
      receiver: "scrum",
      context,
      ...(work === undefined ? {} : { work }),
    });
  const completed = await begin(made.work);
  await complete(seal, completed, made.honest);
  await seal.prepare(completed);
  await seal.deliver(completed, signal());
  await seal.commit(completed);
  const failed = await begin();
  await seal.prepare(failed);
  await seal.deliver(failed, signal());
  await seal.abort(failed, { outcome: "FAILED", cause: "internal", reason: "it was told to" });
  const [queued = ""] = await insertQueuedRuns(sealing.admin, 1, { ruleId: "nightly", keys: ["all/rule/nightly"] });
  ids = { completed: completed.runId, failed: failed.runId, queued };
  await sealing.admin.query("update runs set due_at = now() + interval '1 hour' where run_id = $1", [queued]);
  await sealing.admin.query(
    `insert into queue_places (tenant, org, run_id, key) select tenant, org, run_id, unnest(keys) from run_queue;
     update run_queue set claimed_until = now(), started_at = now()`,
  );
  await addRequests();
});
afterAll(async () => {
  made?.remove();
  await sealing?.stop();
});

/** The requests that the runs belong to, one that became none, and a repeated delivery. */
const addRequests = () =>
  sealing.admin.query(
    `insert into run_requests (tenant, request_id, org, source, event_id, event_type, disposition, run_id, position, payload)
       select tenant, request_id, org, source, event_id, 't', 'accepted', run_id, 'kafka:c/' || event_id, '{}'::jsonb from runs
       union all select 'acme', gen_random_uuid(), 'retail', 'urn:test', 'rejected', 't', 'rejected', null, 'kafka:c/rejected', '{}'::jsonb;
     insert into event_identities (tenant, org, source, event_id, digest_version, payload_digest, request_id, run_id, position, record_digest)
       select tenant, org, source, event_id, 1, 'd', request_id, run_id, position, 'r' from run_requests;
     insert into deliveries (tenant, org, position, record_digest, request_id, source, event_id, event_type, run_id, disposition)
       select tenant, org, position || '/again', 'r', request_id, source, event_id, event_type, run_id, 'duplicate' from run_requests;
     insert into outbox (lane, kind, tenant, run_id, through_sequence, topic)
       select 0, 'run_events', tenant, run_id, last_sequence, 't' from run_streams where (tenant, run_id) not in (select tenant, run_id from outbox where run_id is not null)`,
  );

/** Looks as the role of the check, at what an open transaction has made of the database. */
async function lookAfter(sql: string, since?: Date) {
  const client = new pg.Client({ connectionString: sealing.database.superuserUrl });
  await client.connect();
  try {
    await client.query("begin");
    const named = Object.entries(ids).reduce((text, [name, id]) => text.replaceAll(`:${name}`, `'${id}'`), sql);
    const { rowCount } = await client.query(named);
    await client.query("set local role automation_check");
    const inOpen: InTransaction = (work) => work(client);
    return { changed: rowCount, ...(await check({ snapshot: inOpen }, { since, signal: signal() })) };
  } finally {
    await client.end();
  }
}

describe("a check of a database in which all is well", () => {
  it("finds nothing, as a role that may only read, and has seen something for every claim", async () => {
    const snapshots = createSnapshots(sealing.database.poolOf("check"));
    const report = await check({ snapshot: snapshots }, { signal: signal() });
    expect(report.findings).toEqual([]);
    expect(report).toMatchObject({ isWhole: true, seen: { runs: 3, requests: 4, identities: 4, deliveries: 4 } });
    expect(report.invariants.filter(({ seen }) => seen === 0)).toEqual([]);
    const writing = snapshots((transaction) => transaction.query("delete from run_queue"));
    await expect(writing).rejects.toMatchObject({ code: "25006" });
  });

  it("sees what came since a time, and says of an empty database that it saw nothing", async () => {
    const snapshots = createSnapshots(sealing.database.poolOf("check"));
    const past = await check({ snapshot: snapshots }, { since: new Date(Date.now() - 3_600_000), signal: signal() });
    expect(past).toMatchObject({ isWhole: true, findings: [], seen: { runs: 3, requests: 4 } });
    const future = await check({ snapshot: snapshots }, { since: new Date(Date.now() + 3_600_000), signal: signal() });
    expect(future).toMatchObject({ isWhole: true, seen: { runs: 0, requests: 0 } });
    expect(future.invariants.filter(({ seen }) => seen > 0)).toEqual([]);
  });

  it("ends after the page at hand when its time is over, and says so", async () => {
    const report = await check(
      { snapshot: createSnapshots(sealing.database.poolOf("check")) },
      { signal: AbortSignal.abort() },
    );
    expect(report).toMatchObject({ isWhole: false, seen: { runs: 0 } });
  });
});

/** What is made wrong, and what has to be found. */
const corruptions: readonly (readonly [invariant: string, sql: string, what: RegExp])[] = [
  [
    "I1",
    "delete from run_requests where event_id = 'rejected'",
    /is named by an identity or a delivery, and is not there/,
  ],
  ["I1", "delete from event_identities where event_id = 'rejected'", /has no identity/],
  [
    "I1",
    "update run_requests set run_id = gen_random_uuid() where run_id = :queued",
    /is accepted, and its run is not there/,
  ],
  ["I1", "update run_requests set run_id = :queued where event_id = 'rejected'", /is rejected, and has run/],
  [
    "I1",
    "update deliveries set position = 'kafka:c/rejected' where event_id = 'rejected'",
    /where a delivery is duplicate/,
  ],
  ["I1", "delete from run_queue", /is QUEUED, has not begun, and is not in the queue/],
  ["I1", "update runs set due_at = null where run_id = :queued", /has no limit of time/],
  ["I1", "update runs set due_at = now() - interval '2 hours' where run_id = :queued", /its limit of time passed at/],
  ["I1", "update run_queue set run_id = :failed", /is FAILED, and is still in the queue/],
  [
    "I2",
    "update runs set request_id = (select request_id from runs where run_id = :completed) where run_id = :failed",
    /belongs to request .* which has run/,
  ],
  ["I2", "update run_requests set event_id = 'another' where run_id = :failed", /and its request about another/],
  [
    "I2",
    "update event_identities set run_id = :failed where run_id = :completed",
    /is not the run of its event, which is/,
  ],
  [
    "I2",
    "update run_requests set event_id = (select event_id from runs where run_id = :failed) where event_id = 'rejected'",
    /decides event .* as request/,
  ],
  ["I3", "delete from seals where run_id = :completed", /is COMPLETED, and its seal is not there/],
  [
    "I3",
    "update seals set state = 'COMMITTED' where run_id = :failed",
    /is FAILED, and its seal is COMMITTED for FAILED/,
  ],
  ["I3", "update runs set status = 'COMPLETED' where run_id = :failed", /is COMPLETED, and its seal is ABORTED/],
  ["I3", "update runs set ended_at = null, due_at = now() where run_id = :failed", /and its seal is ABORTED/],
  [
    "I3",
    `update verdicts set verdict = verdict || '{"passed": false}' where run_id = :completed`,
    /and its verdict did not pass/,
  ],
  ["I3", "delete from verdicts where run_id = :failed", /and its verdict is not there/],
  ["I3", "delete from attestations where run_id = :completed and kind = 'vsa'", /has vsa 0 times/],
  [
    "I3",
    "update attestations set seal_outcome = 'CANCELLED' where run_id = :failed and kind = 'vsa' and status = 'REGISTERED'",
    /shows evidence of CANCELLED/,
  ],
  [
    "I3",
    "update attestations set status = 'PROVISIONAL', envelope = null where run_id = :completed and kind = 'diff'",
    /its diff is still PROVISIONAL/,
  ],
  ["I3", "delete from attestations where run_id = :completed and kind = 'test-result'", /which is not registered/],
  [
    "I3",
    "update handoff_calls set state = 'REFUSED' where run_id = :completed and phase = 'TRY'",
    /is COMPLETED, and .* is REFUSED/,
  ],
  ["I3", "update artifacts set run_id = :queued where run_id = :failed", /is QUEUED, and has artifacts/],
  [
    "I3",
    "delete from artifacts where kind = 'event_log' and run_id = :completed",
    /without its log among its artifacts/,
  ],
  ["I3", "delete from signing_keys", /whose key was never published/],
  [
    "I3",
    "update attestations set statement_sha256 = repeat('0', 64) where run_id = :failed and kind = 'vsa'",
    /another statement than is recorded/,
  ],
  [
    "I3",
    "update attestations as a set envelope = convert_to(replace(convert_from(envelope, 'UTF8'), '\"sig\":\"', '\"sig\":\"AAAA'), 'UTF8') where run_id = :failed and kind = 'agent-run' and status = 'REGISTERED'",
    /whose signature is not that of its key/,
  ],
  [
    "I3",
    "update signing_keys set purpose = case purpose when 'builder' then 'verifier' else 'builder' end",
    /a key for other statements/,
  ],
  [
    "I3",
    "update attestations set envelope = '' where run_id = :failed and status = 'REGISTERED'",
    /whose envelope can't be read/,
  ],
  ["I4", "delete from run_streams where run_id = :completed", /has no stream of events/],
  [
    "I4",
    "delete from run_events where run_id = :completed and sequence = 2",
    /events, to number .*, and its stream ends at/,
  ],
  ["I4", "update run_streams set closed = false where run_id = :failed", /has ended, and its stream is open/],
  ["I4", "delete from outbox", /and nothing waits to be published/],
  [
    "I4",
    `update run_events set event = event || '{"at": "2020-01-01T00:00:00Z"}' where run_id = :completed and sequence = 1`,
    /event 1, which is not the one that was hashed/,
  ],
  [
    "I4",
    "update run_events set hash = repeat('0', 64) where run_id = :completed and sequence = 1",
    /event 2, which does not follow the one before it/,
  ],
  [
    "I4",
    "update run_streams set last_hash = repeat('0', 64) where run_id = :failed",
    /is the last one, and the stream names another/,
  ],
  ["I5", "update artifacts set org = 'wholesale' where run_id = :failed", /and a row of artifacts to wholesale/],
  [
    "I5",
    "update handoff_calls set org = 'wholesale' where run_id = :failed",
    /and a row of handoff_calls to wholesale/,
  ],
  ["I5", "update run_events set org = 'wholesale' where run_id = :failed", /and an event of it to wholesale/],
  ["I5", "update run_requests set org = 'wholesale' where run_id = :failed", /and its request to wholesale/],
  [
    "I5",
    "update artifacts set object_key = replace(object_key, 'acme', 'globex') where run_id = :failed",
    /has the artifact events.ndjson at tenants\/globex/,
  ],
  [
    "I7",
    'insert into handoff_calls select (jsonb_populate_record(c, \'{"idempotency_key": "another", "call_id": "00000000-0000-0000-0000-000000000001"}\')).* from handoff_calls c where run_id = :completed and phase = \'TRY\'  limit 1',
    /under 2 keys/,
  ],
  [
    "I7",
    "update handoff_calls set idempotency_key = 'of ' || idempotency_key where run_id = :completed and phase = 'CONFIRM'",
    /without a try/,
  ],
  [
    "I7",
    'insert into handoff_calls select (jsonb_populate_record(c, \'{"phase": "CANCEL", "call_id": "00000000-0000-0000-0000-000000000001"}\')).* from handoff_calls c where run_id = :completed and phase = \'CONFIRM\' limit 1',
    /has confirmed and cancelled/,
  ],
  ["I7", "delete from handoff_calls where run_id = :failed and phase = 'CANCEL'", /is neither confirmed nor cancelled/],
  ["places", "update queue_places set run_id = :failed", /is FAILED, and holds the place all\/rule\/nightly/],
  ["places", "delete from queue_places", /is started, and has no place all\/rule\/nightly/],
];

describe("a check of a database in which one thing is wrong", () => {
  it.each(corruptions)("finds %s broken: %s", async (invariant, sql, what) => {
    const { changed, findings } = await lookAfter(sql);
    expect(changed).toBeGreaterThan(0);
    expect(findings.filter((each) => each.invariant === invariant).map((each) => each.what)).toContainEqual(
      expect.stringMatching(what),
    );
  });

  it("finds it among what came since a time, too", async () => {
    const { findings } = await lookAfter("delete from seals", new Date(Date.now() - 3_600_000));
    expect(findings.map(({ invariant, id }) => `${invariant} ${id}`).toSorted()).toEqual(
      expect.arrayContaining([`I3 ${ids.completed}`, `I3 ${ids.failed}`]),
    );
  });
});

describe("a watch", () => {
  it("looks again and again, serves what it finds as metrics, and is not ready while it can't look", async () => {
    const [port] = await freePorts(1);
    const stop = new AbortController();
    const environment = {
      AUTOMATION_LOG_LEVEL: "error",
      AUTOMATION_POSTGRES_URL: sealing.database.urlOf("check"),
      AUTOMATION_HEALTH_ADDRESS: `127.0.0.1:${port}`,
    };
    const rounds = watch(environment, { everyMs: 10, limitMs: 60_000, signal: stop.signal });
    const asked = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
    const next = async () => (await rounds.next()).value;
    expect(await next()).toMatchObject({ isWhole: true, findings: [], leftOut: [expect.stringMatching(/S3/)] });
    expect(await asked("/metrics")).toMatch(/automation_invariant_seen\{.*invariant="I3".*\} 2/);
    await sealing.admin.query("update seals set state = 'COMMITTED' where run_id = $1", [ids.failed]);
    expect(await next()).toMatchObject({ findings: [{ invariant: "I3", id: ids.failed }] });
    expect(await asked("/metrics")).toMatch(/automation_invariant_broken\{.*invariant="I3".*\} 1/);
    await sealing.admin.query("update seals set state = 'ABORTED' where run_id = $1", [ids.failed]);
    await next();
    expect(await asked("/metrics")).toMatch(/automation_invariant_broken\{.*invariant="I3".*\} 0/);
    expect(await asked("/readyz")).toContain('"check":true');
    await sealing.admin.query("revoke select (state) on seals from automation_check");
    expect(await next()).toBeInstanceOf(Error);
    expect(await asked("/readyz")).toContain("permission denied");
    await sealing.admin.query("grant select (state) on seals to automation_check");
    expect(await next()).toMatchObject({ isWhole: true, findings: [] });
    stop.abort();
    expect(await next()).toBeUndefined();
  });
});
