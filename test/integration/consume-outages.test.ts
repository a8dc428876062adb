import { join } from "node:path";
import { Admin, Consumer } from "@platformatic/kafka";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Engine } from "../../local/engines/engine.ts";
import { findKafka, startKafka } from "../../local/engines/kafka/kafka.ts";
import { findPostgres, startPostgres } from "../../local/engines/postgres/postgres.ts";
import { ensureTopics } from "../../src/drivers/kafka/ensure-topics.ts";
import { createKafkaSource } from "../../src/drivers/kafka/kafka-source.ts";
import { createInScope } from "../../src/drivers/postgres/in-scope.ts";
import { declare } from "../support/builders/declared.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";
import type { TestEngines } from "../support/engines/engines.ts";
import { startEngines } from "../support/engines/engines.ts";
import { freePorts } from "../support/engines/free-ports.ts";
import { findBy } from "../support/probes/find.ts";
import { consumeInto, publishRequests, topic } from "../support/worlds/accepting.ts";

let engines: TestEngines;
let database: TestDatabase;
let superuser: pg.Pool;
const restarted: Engine[] = [];

beforeAll(async () => {
  engines = await startEngines({ postgres: true, kafka: true });
  database = await createDatabase(engines.postgres.url);
  superuser = new pg.Pool({ connectionString: database.superuserUrl });
  superuser.on("error", () => undefined);
  await declare(createInScope(database.poolOf("api")), "acme");
  await ensureTopics(engines.kafka.brokers, [{ topic, partitions: 4 }], 1);
});

afterAll(async () => {
  await superuser?.end();
  await database?.close();
  await Promise.all(restarted.map((engine) => engine.stop(2_000)));
  await engines?.stop();
});

const soon = { timeout: 60_000, interval: 100 };
const placed = (name: string) => ({
  dataDir: join(engines.dir, name),
  logFile: join(engines.dir, "logs", `${name}.log`),
  pidsDir: join(engines.dir, "pids"),
  signal: AbortSignal.timeout(60_000),
});
const portOf = (address: string) => Number(address.split(":").at(-1));
const idsOf = (name: string, count: number) => Array.from({ length: count }, (_, n) => `${name}-${n}`);
const publish = (ids: readonly string[]) => publishRequests(engines.kafka.brokers, ids);
const runCount = async (name: string) =>
  (await superuser.query("select count(*)::int as n from runs where event_id like $1", [`${name}-%`])).rows[0].n;
const becomeRuns = (name: string, count: number) =>
  vi.waitFor(async () => expect(await runCount(name)).toBe(count), soon);

describe("while requests are consumed", () => {
  it("Postgres stops and starts again: partitions pause, and every event becomes one run", async () => {
    const pauses: unknown[] = [];
    const { stop } = consumeInto(database.poolOf("dispatcher"), engines.kafka.brokers, {
      onPause: (error) => pauses.push(error),
    });
    await publish(idsOf("before", 200));
    await becomeRuns("before", 200);
    const { address, password } = engines.postgres;
    await engines.postgres.engine.stop(5_000);
    await publish(idsOf("away", 1_000));
    await vi.waitFor(() => expect(pauses.length).toBeGreaterThan(0), soon);
    restarted.push(await startPostgres(findPostgres(), { ...placed("postgres"), port: portOf(address), password }));
    await becomeRuns("away", 1_000);
    const { rows } = await superuser.query("select 1 from platform_deliveries union all select 1 from deliveries");
    expect(rows).toEqual([]);
    await stop();
  });

  it("the broker stands still for longer than a session, under traffic: the group is joined anew and every event becomes one run", async () => {
    const rejoins: unknown[] = [];
    const { stop } = consumeInto(database.poolOf("dispatcher"), engines.kafka.brokers, {
      onRejoin: (error) => rejoins.push(error),
    });
    await publish(idsOf("moving", 200));
    await becomeRuns("moving", 200);
    await publish(idsOf("still", 2_000));
    process.kill(engines.kafka.engine.pid, "SIGSTOP");
    await new Promise((done) => setTimeout(done, 15_000)); // the outage itself
    process.kill(engines.kafka.engine.pid, "SIGCONT");
    await publish(idsOf("moved", 200));
    await becomeRuns("still", 2_000);
    await becomeRuns("moved", 200);
    const { rows } = await superuser.query("select 1 from platform_deliveries union all select 1 from deliveries");
    expect(rows).toEqual([]);
    await stop();
  });

  it("the group drops the member in the middle of a batch: it joins anew, and the batch comes again", async () => {
    const group = "dropping";
    const ids = idsOf("dropped", 300);
    await publish(ids);
    const handled: (string | null)[] = [];
    const taken = Promise.withResolvers<void>();
    const dropped = Promise.withResolvers<void>();
    const source = createKafkaSource({
      brokers: engines.kafka.brokers,
      clientId: "test",
      cluster: "local",
      group,
      topic,
      batchSize: 100,
      handle: async (deliveries) => {
        taken.resolve();
        await dropped.promise;
        handled.push(...deliveries.map(({ key }) => key));
      },
      canGoOn: async () => true,
      onPause: () => undefined,
      onRejoin: () => undefined,
      now: () => new Date(),
    });
    const ended = new AbortController();
    const running = source.run(ended.signal);
    await taken.promise;
    const admin = new Admin({ bootstrapBrokers: engines.kafka.brokers, clientId: "test" });
    await admin.removeMembersFromConsumerGroup({ groupId: group });
    dropped.resolve();
    await publish(idsOf("after-drop", 10));
    const all = expect.arrayContaining([...ids, ...idsOf("after-drop", 10)]);
    await Promise.race([running, vi.waitFor(() => expect(handled).toEqual(all), soon)]);
    expect(handled).toEqual(all);
    ended.abort();
    await running;
    await admin.close();
  });

  it("another member speaks another protocol in its group: no waiting mends that, so the consumer ends with it", async () => {
    const dispatcher = database.poolOf("dispatcher");
    const other = new Consumer({
      bootstrapBrokers: engines.kafka.brokers,
      clientId: "other",
      groupId: "dispatcher",
      protocols: [{ name: "of-its-own", version: 1 }],
    });
    other.topics.trackAll(topic);
    await other.joinGroup();
    await expect(consumeInto(dispatcher, engines.kafka.brokers).running).rejects.toThrow(/protocol/);
    await other.close(true);
  });

  it("Kafka stops: that shows in the health, a stop still ends, and what comes later is taken when it is back", async () => {
    const dispatcher = database.poolOf("dispatcher");
    const lasting = consumeInto(dispatcher, engines.kafka.brokers);
    await vi.waitFor(() => expect(lasting.source.standing()).toBe(true), soon);
    await engines.kafka.engine.stop(10_000);
    await vi.waitFor(() => expect(lasting.source.standing()).toBe("Kafka does not answer"), soon);
    const ending = consumeInto(dispatcher, engines.kafka.brokers);
    await ending.stop();
    const [controller = 0] = await freePorts(1);
    const ports = { broker: portOf(engines.kafka.brokers[0] ?? ""), controller };
    const program = await findKafka(findBy(AbortSignal.timeout(60_000)));
    restarted.push(await startKafka(program, { ...placed("kafka"), ports }));
    await publish(idsOf("back", 50));
    await becomeRuns("back", 50);
    await vi.waitFor(() => expect(lasting.source.standing()).toBe(true), soon);
    await restarted.at(-1)?.stop(10_000);
    await lasting.stop();
  });
});
