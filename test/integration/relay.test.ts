import { randomUUID } from "node:crypto";
import { Admin } from "@platformatic/kafka";
import type { Pool } from "pg";
import pg from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { ensureTopics } from "../../src/drivers/kafka/ensure-topics.ts";
import { createKafkaSink } from "../../src/drivers/kafka/kafka-sink.ts";
import { createKafkaSource } from "../../src/drivers/kafka/kafka-source.ts";
import { kafkaRetentionMs } from "../../src/drivers/kafka/topic-retention.ts";
import { createInScope, createInTransaction, createSingleStatements } from "../../src/drivers/postgres/in-scope.ts";
import type { Loop } from "../../src/loops/loop.ts";
import { main as relayMain } from "../../src/processes/relay.ts";
import { main as republishMain } from "../../src/processes/republish.ts";
import type { InRun } from "../../src/runs/in-run.ts";
import { createInRun } from "../../src/runs/in-run.ts";
import type { BusRecord, Header, RecordSink } from "../../src/runs/outbox/bus-record.ts";
import { insertRecords, settle } from "../../src/runs/outbox/outbox-store.ts";
import { createPublishRunEvents } from "../../src/runs/outbox/publish-run-events.ts";
import { laneCount, laneOf, quarantineTopic, runEventTopic } from "../../src/runs/outbox/topics.ts";
import { scopeOf } from "../support/builders/declared.ts";
import { insertQueuedRuns } from "../support/builders/queued-runs.ts";
import type { BorrowedEngines } from "../support/engines/borrow-engines.ts";
import { borrowEngines } from "../support/engines/borrow-engines.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";
import { freePorts } from "../support/engines/free-ports.ts";
import { readTopic } from "../support/probes/invariants.ts";

const log = pino({ level: "silent" });
let engines: BorrowedEngines;
let database: TestDatabase;
let superuser: Pool;
let inRun: InRun;
let sink: RecordSink;

beforeAll(async () => {
  engines = await borrowEngines({ postgres: true, kafka: true });
  database = await createDatabase(engines.postgres.url);
  superuser = new pg.Pool({ connectionString: database.superuserUrl });
  superuser.on("error", () => undefined); // the server may end a connection before the pool has
  inRun = createInRun({ inScope: createInScope(database.poolOf("api")), now: () => new Date() });
  await ensureTopics(
    engines.kafka.brokers,
    [
      { topic: runEventTopic, partitions: 3 },
      { topic: quarantineTopic, partitions: 1, atLeast: { "max.message.bytes": 2 * 1024 * 1024 } },
    ],
    1,
  );
  sink = openSink();
  await sink.connect();
});
afterAll(async () => {
  await Promise.allSettled([sink?.close(), superuser?.end(), database?.close()]);
  await engines?.stop();
});
beforeEach(async () => {
  await superuser.query("truncate runs, run_streams, run_events, outbox");
  await superuser.query("update relay_lanes set leased_until = '-infinity'");
});

const openSink = () => createKafkaSink({ brokers: engines.kafka.brokers, clientId: "test-relay" });
const relay = ({ owner = randomUUID(), send }: { owner?: string; send?: RecordSink["send"] } = {}) =>
  createPublishRunEvents({
    inTransaction: createInTransaction(database.poolOf("relay")),
    statements: createSingleStatements(database.poolOf("relay")),
    openSink: () => (send === undefined ? openSink() : { send, close: async () => undefined }),
    owner,
    log,
  });

async function whileRunning(relays: readonly Loop[], work: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const running = relays.map((each) => each.run(stop.signal));
  await work().finally(() => stop.abort());
  await Promise.all(running);
}

/** Appends messages to a run, so many per transaction. */
async function append(runId: string, from: number, count: number, text = "line"): Promise<void> {
  const drafts = Array.from({ length: count }, (_, n) => ({ writerKey: `test/${from + n}`, message: { text } }));
  await inRun({ ...scopeOf("acme"), runId }, (open) => open.append(drafts));
}

const outboxEmpty = (timeout = 20_000) =>
  vi.waitFor(async () => expect((await superuser.query("select id from outbox")).rows).toEqual([]), {
    timeout,
    interval: 50,
  });

/** Sequences of each run as the bus has them, in its order. */
async function published(): Promise<Map<string, number[]>> {
  const messages = await readTopic(engines.kafka, runEventTopic, AbortSignal.timeout(60_000));
  const runs = new Map<string, number[]>();
  for (const { headers, key } of messages) {
    const [runId = "", sequence] = (headers.ce_id ?? "").split("/");
    expect(key).toBe(runId);
    runs.set(runId, [...(runs.get(runId) ?? []), Number(sequence)]);
  }
  return runs;
}

const upTo = (last: number) => Array.from({ length: last }, (_, n) => n + 1);

it("has a lease for each lane that events are written to, and for no other", async () => {
  const { rows } = await superuser.query("select lane from relay_lanes order by lane");
  expect(rows.map(({ lane }) => lane)).toEqual([...Array(laneCount).keys()]);
});

it("publishes each run's events once and in order, keyed by run, as CloudEvents", async () => {
  const ids = await insertQueuedRuns(superuser, 20);
  await whileRunning([relay()], async () => {
    for (const from of [1, 4, 7]) await Promise.all(ids.map((runId) => append(runId, from, 3)));
    await outboxEmpty();
  });
  const runs = await published();
  for (const runId of ids) expect(runs.get(runId)).toEqual(upTo(9));
  const { rows } = await superuser.query("select distinct published_sequence from run_streams");
  expect(rows).toEqual([{ published_sequence: 9 }]);
});

it("publishes again what was published since a time, run by run in order, once its topic is gone", async () => {
  const [long = "", short = "", old = ""] = await insertQueuedRuns(superuser, 3);
  await whileRunning([relay()], async () => {
    for (const from of [1, 101, 201]) await append(long, from, 100);
    await append(short, 1, 3);
    await append(old, 1, 2);
    await outboxEmpty();
  });
  await append(short, 4, 1); // waits for the relay
  await superuser.query("update run_events set at = at - interval '2 hours' where run_id = $1", [old]);
  const environment = {
    AUTOMATION_POSTGRES_URL: database.urlOf("relay"),
    AUTOMATION_KAFKA_BROKERS: engines.kafka.brokers.join(","),
    AUTOMATION_KAFKA_CLUSTER: "test",
  };
  const republish = async (isDryRun: boolean) => {
    const wanted = { since: new Date(Date.now() - 3_600_000), isDryRun, signal: AbortSignal.timeout(60_000) };
    const pages: { read: number; events: number }[] = [];
    for await (const { read, events } of republishMain(environment, wanted)) pages.push({ read, events });
    return {
      pages: pages.length,
      read: pages.reduce((sum, { read }) => sum + read, 0),
      events: pages.reduce((sum, { events }) => sum + events, 0),
    };
  };
  const admin = new Admin({ clientId: "test-admin", bootstrapBrokers: [...engines.kafka.brokers] });
  await admin.deleteTopics({ topics: [runEventTopic] });
  await admin.close();
  await vi.waitFor(() => ensureTopics(engines.kafka.brokers, [{ topic: runEventTopic, partitions: 3 }], 1), 20_000);
  expect(await published()).toEqual(new Map());
  expect(await republish(true)).toEqual({ pages: 2, read: 306, events: 303 });
  expect(await published()).toEqual(new Map());
  expect(await republish(false)).toEqual({ pages: 2, read: 306, events: 303 });
  expect(await published()).toEqual(
    new Map([
      [long, upTo(300)],
      [short, upTo(3)],
    ]),
  );
  await whileRunning([relay()], outboxEmpty);
  expect((await published()).get(short)).toEqual(upTo(4));
});

it("tells for how long Kafka keeps a topic", async () => {
  const day = 86_400_000;
  const connection = { brokers: engines.kafka.brokers, clientId: "test" };
  expect(await kafkaRetentionMs(connection, runEventTopic)).toBe(7 * day);
  await ensureTopics(
    engines.kafka.brokers,
    [{ topic: "kept", partitions: 1, atLeast: { "retention.ms": 60 * day } }],
    1,
  );
  expect(await kafkaRetentionMs(connection, "kept")).toBe(60 * day);
});

it("misses no event that commits after one with a later place in the outbox", async () => {
  const [late = "", early = ""] = await insertQueuedRuns(superuser, 2);
  await whileRunning([relay()], async () => {
    const [written, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const lateCommit = inRun({ ...scopeOf("acme"), runId: late }, async (open) => {
      await open.append([{ writerKey: "test/1", message: { text: "line" } }]);
      written.resolve();
      await held.promise;
    });
    await written.promise;
    await append(early, 1, 1);
    await vi.waitFor(async () => expect([...(await published()).keys()]).toContain(early), { timeout: 20_000 });
    held.resolve();
    await lateCommit;
    await outboxEmpty();
  });
  const runs = await published();
  expect([runs.get(late), runs.get(early)]).toEqual([[1], [1]]);
});

it("carries correlation, causation and trace of the request on in each event, and only what there is", async () => {
  const [traced = "", plain = ""] = await insertQueuedRuns(superuser, 2);
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  await superuser.query(
    "update runs set event_id = 'evt-1', correlation_id = 'order-7 ü', traceparent = $2, tracestate = 'a=1' where run_id = $1",
    [traced, traceparent],
  );
  await whileRunning([relay()], async () => {
    for (const runId of [traced, plain]) await append(runId, 1, 2);
    await outboxEmpty();
  });
  const messages = await readTopic(engines.kafka, runEventTopic, AbortSignal.timeout(60_000));
  const carried = (runId: string) =>
    messages
      .filter(({ key }) => key === runId)
      .map(({ headers }) =>
        ["correlationid", "causationid", "traceparent", "tracestate"].map((name) => headers[`ce_${name}`]),
      );
  expect(carried(traced)).toEqual(Array(2).fill(["order-7 ü", "evt-1", traceparent, "a=1"]));
  expect(carried(plain)).toEqual(Array(2).fill([undefined, plain, undefined, undefined]));
});

it("takes a run of thousands of events in rounds, and passes on what stands in the outbox whole", async () => {
  const [runId = ""] = await insertQueuedRuns(superuser, 1);
  for (let from = 1; from <= 1_401; from += 100) await append(runId, from, 100, "x".repeat(4_000));
  const body = Buffer.alloc(1_000_000, 7);
  for (let n = 0; n < 5; n += 1)
    await superuser.query(
      "insert into outbox (lane, kind, topic, key, headers, body) values ($1, 'record', $2, $3, $4, $5)",
      [laneOf(runId), quarantineTopic, `k${n}`, JSON.stringify([["quarantine-cause", btoa("malformed")]]), body],
    );
  const sends: number[] = [];
  const send = async (topic: string, records: Parameters<RecordSink["send"]>[1]) => {
    sends.push(records.reduce((sum, { body }) => sum + (body?.byteLength ?? 0), 0));
    await sink.send(topic, records);
  };
  await whileRunning([relay({ send })], () => outboxEmpty());
  expect((await published()).get(runId)).toEqual(upTo(1_500));
  expect(Math.max(...sends)).toBeLessThanOrEqual(1_000_000);
  const quarantined = await readTopic(engines.kafka, quarantineTopic, AbortSignal.timeout(60_000));
  expect(quarantined.map(({ key }) => key)).toEqual(["k0", "k1", "k2", "k3", "k4"]);
  expect(quarantined[0]?.headers).toMatchObject({ "quarantine-cause": "malformed" });
});

it("sends a record of the outbox as it was written: no key, no body, headers that repeat or are binary", async () => {
  const headers: Header[] = [
    ["h", Uint8Array.of(0, 255)],
    ["h", Buffer.from("ü")],
    ["empty", new Uint8Array()],
  ];
  const record = { tenant: "acme", lane: 1, topic: quarantineTopic, headers };
  await createInTransaction(database.poolOf("dispatcher"))((transaction) =>
    insertRecords(transaction, [
      { ...record, key: null, body: Uint8Array.of(7, 0) },
      { ...record, key: "k", body: null },
    ]),
  );
  await whileRunning([relay()], () => outboxEmpty());
  const received: BusRecord[] = [];
  const ended = new AbortController();
  const source = createKafkaSource({
    brokers: engines.kafka.brokers,
    cluster: "local",
    clientId: "test",
    topic: quarantineTopic,
    group: "test",
    batchSize: 10,
    handle: async (deliveries) => void received.push(...deliveries.filter(({ headers }) => headers[0]?.[0] === "h")),
    canGoOn: async () => true,
    onPause: () => undefined,
    onRejoin: () => undefined,
    now: () => new Date(),
  });
  const running = source.run(ended.signal);
  await vi.waitFor(() => expect(received).toHaveLength(2), { timeout: 60_000, interval: 50 });
  ended.abort();
  await running;
  const comparable = ({ key, headers, body }: BusRecord) => ({
    key,
    headers: headers.map(([name, value]) => [name, Buffer.from(value).toString("hex")]),
    body: body && Buffer.from(body).toString("hex"),
  });
  const named = headers.map(([name, value]) => [name, Buffer.from(value).toString("hex")]);
  expect(received.map(comparable)).toEqual([
    { key: null, headers: named, body: "0700" },
    { key: "k", headers: named, body: null },
  ]);
});

it("has one owner per lane with two relays running, and the second takes over what the first leaves", async () => {
  const ids = await insertQueuedRuns(superuser, 12);
  const first = new AbortController();
  const firstRunning = relay({ owner: "first" }).run(first.signal);
  const owners = async () => {
    const { rows } = await superuser.query("select distinct owner from relay_lanes where leased_until > now()");
    return rows.map((row) => row.owner);
  };
  await vi.waitFor(async () => expect(await owners()).toEqual(["first"]), { timeout: 60_000, interval: 20 });
  await whileRunning([relay({ owner: "second" })], async () => {
    await Promise.all(ids.map((runId) => append(runId, 1, 5)));
    await outboxEmpty();
    expect(await owners()).toEqual(["first"]);
    first.abort();
    await firstRunning;
    await vi.waitFor(async () => expect(await owners()).toEqual(["second"]), { timeout: 60_000, interval: 50 });
    await Promise.all(ids.map((runId) => append(runId, 6, 5)));
    await outboxEmpty();
  });
  const runs = await published();
  for (const runId of ids) expect(runs.get(runId)).toEqual(upTo(10));
});

it("takes a dead relay's lanes when their lease has ended, within 15 s", async () => {
  await superuser.query(
    "update relay_lanes set owner = 'dead', epoch = epoch + 1, leased_until = now() + interval '10 seconds'",
  );
  const [runId = ""] = await insertQueuedRuns(superuser, 1);
  await append(runId, 1, 2);
  await whileRunning([relay()], () => outboxEmpty(15_000));
  expect((await published()).get(runId)).toEqual([1, 2]);
});

it("writes nothing down for a lane that another relay has taken meanwhile; the events are sent again", async () => {
  const [runId = ""] = await insertQueuedRuns(superuser, 1);
  await append(runId, 1, 3);
  const lane = laneOf(runId);
  let stolen = 0;
  const send: RecordSink["send"] = async (topic, records) => {
    await sink.send(topic, records);
    if (stolen++ === 0)
      await superuser.query(
        "update relay_lanes set owner = 'thief', epoch = epoch + 1, leased_until = now() where lane = $1",
        [lane],
      );
  };
  await whileRunning([relay({ send })], () => outboxEmpty());
  expect(stolen).toBe(2);
  expect((await published()).get(runId)).toEqual([1, 2, 3, 1, 2, 3]);
  expect(await settle(createSingleStatements(database.poolOf("relay")), [{ lane, epoch: 0 }], [], [])).toEqual([]);
});

it("loses nothing while the bus fails, and goes on in order", async () => {
  const [runId = ""] = await insertQueuedRuns(superuser, 1);
  let failures = 0;
  const send: RecordSink["send"] = async (topic, records) => {
    if (failures < 3) {
      failures += 1;
      throw new Error("the broker does not answer");
    }
    await sink.send(topic, records);
  };
  await append(runId, 1, 2);
  await whileRunning([relay({ send })], async () => {
    await vi.waitFor(() => expect(failures).toBe(3), { timeout: 60_000, interval: 20 });
    await append(runId, 3, 2);
    await outboxEmpty();
  });
  expect((await published()).get(runId)).toEqual([1, 2, 3, 4]);
});

it("publishes what it can while one topic fails, once", async () => {
  const [runId = ""] = await insertQueuedRuns(superuser, 1);
  let failures = 0;
  const send: RecordSink["send"] = async (topic, records) => {
    if (topic === quarantineTopic && failures < 2) {
      failures += 1;
      throw new Error("the topic does not exist");
    }
    await sink.send(topic, records);
  };
  const inTransaction = createInTransaction(database.poolOf("dispatcher"));
  const record = { lane: laneOf(runId), tenant: null, topic: quarantineTopic, key: runId, headers: [], body: null };
  await inTransaction((transaction) => insertRecords(transaction, [record]));
  await append(runId, 1, 2);
  await whileRunning([relay({ send })], async () => {
    await outboxEmpty();
  });
  expect(failures).toBe(2);
  expect((await published()).get(runId)).toEqual([1, 2]);
});

it("runs as a process: ready when it publishes, frozen and thawed bus included, and drained at the end", async () => {
  const [port = 0] = await freePorts(1);
  const stop = new AbortController();
  const running = relayMain(
    {
      AUTOMATION_POSTGRES_URL: database.urlOf("relay"),
      AUTOMATION_KAFKA_BROKERS: engines.kafka.brokers.join(","),
      AUTOMATION_KAFKA_CLUSTER: "local",
      AUTOMATION_HEALTH_ADDRESS: `127.0.0.1:${port}`,
      AUTOMATION_LOG_LEVEL: "error",
    },
    stop.signal,
  );
  const ready = async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).json();
  await vi.waitFor(async () => expect(await ready()).toEqual({ outbox: true }), {
    timeout: 60_000,
    interval: 50,
  });
  const [runId = ""] = await insertQueuedRuns(superuser, 1);
  await append(runId, 1, 1);
  await outboxEmpty();
  process.kill(engines.kafka.engine.pid, "SIGSTOP");
  await append(runId, 2, 1);
  const { rows } = await superuser.query("select pg_sleep(2), (select count(*) from outbox) as waiting");
  expect(Number(rows[0].waiting)).toBe(1);
  process.kill(engines.kafka.engine.pid, "SIGCONT");
  await outboxEmpty(30_000);
  stop.abort();
  await running;
  const leased = await superuser.query("select lane from relay_lanes where leased_until > now()");
  expect(leased.rows).toEqual([]);
  expect(new Set((await published()).get(runId))).toEqual(new Set([1, 2]));
});
