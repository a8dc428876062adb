import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { headers } from "@nats-io/transport-node";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Engine } from "../../local/engines/engine.ts";
import { findNats, startNats } from "../../local/engines/nats/nats.ts";
import { busesOf, eventBusOf } from "../../src/config/buses.ts";
import { readEnvironment } from "../../src/config/environment.ts";
import { createSecretFiles } from "../../src/config/secret-files.ts";
import { connectNats } from "../../src/drivers/nats/connect-nats.ts";
import { ensureStreams } from "../../src/drivers/nats/ensure-streams.ts";
import { createInScope } from "../../src/drivers/postgres/in-scope.ts";
import { main as dispatcherMain } from "../../src/processes/dispatcher.ts";
import { main as relayMain } from "../../src/processes/relay.ts";
import { main as republishMain } from "../../src/processes/republish.ts";
import { warnOfTopicRetention } from "../../src/processes/topic-retention.ts";
import { governanceTopic, quarantineTopic, requestTopic, runEventTopic } from "../../src/runs/outbox/topics.ts";
import type { Log } from "../../src/telemetry/log.ts";
import { aRequest, declare } from "../support/builders/declared.ts";
import type { BorrowedEngines } from "../support/engines/borrow-engines.ts";
import { borrowEngines } from "../support/engines/borrow-engines.ts";
import { makeAuthority } from "../support/engines/certificates.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";
import { freePorts } from "../support/engines/free-ports.ts";
import { findBy } from "../support/probes/find.ts";

const topics = [requestTopic, runEventTopic, governanceTopic, quarantineTopic];
const source = "urn:test";
let dir: string;
let nats: Engine;
let engines: BorrowedEngines;
let database: TestDatabase;
let superuser: pg.Pool;
/** The settings of NATS, by which processes reach it encrypted and as a user. */
let settings: Record<string, string>;
let connection: NatsConnection;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "automation-nats-"));
  const authority = makeAuthority(join(dir, "authority"));
  const shown = authority.sign("server", "DNS:localhost");
  const [port = 0] = await freePorts(1);
  const signal = AbortSignal.timeout(20 * 60_000);
  nats = await startNats(await findNats(findBy(signal, console.error)), {
    dataDir: join(dir, "nats"),
    logFile: join(dir, "nats.log"),
    pidsDir: join(dir, "pids"),
    signal,
    port,
    settings: [
      `tls { cert_file: "${join(shown, "tls.crt")}", key_file: "${join(shown, "tls.key")}" }`,
      'authorization { users: [ { user: "automation", password: "right" } ] }',
    ],
  });
  writeFileSync(join(dir, "password"), "right\n");
  settings = {
    AUTOMATION_NATS_SERVERS: `localhost:${port}`,
    AUTOMATION_NATS_CLUSTER: "main",
    AUTOMATION_NATS_TLS: "on",
    AUTOMATION_NATS_CA_FILE: authority.caFile,
    AUTOMATION_NATS_USERNAME: "automation",
    AUTOMATION_NATS_PASSWORD_FILE: join(dir, "password"),
  };
  engines = await borrowEngines({ postgres: true });
  database = await createDatabase(engines.postgres.url);
  superuser = new pg.Pool({ connectionString: database.superuserUrl });
  superuser.on("error", () => undefined); // the server may end a connection before the pool has
  await declare(createInScope(database.poolOf("api")), "acme");
  await ensureStreams(serversOf(), topics, 1);
  connection = await connectNats(serversOf(), false);
});
afterAll(async () => {
  await connection?.close();
  await Promise.allSettled([superuser?.end(), database?.close()]);
  await engines?.stop();
  await nats?.stop(2_000);
  rmSync(dir, { recursive: true, force: true });
});

/** What a migration would be told. */
const told = (own: Readonly<Record<string, string>>) =>
  readEnvironment("migrate", {
    AUTOMATION_POSTGRES_ADMIN_URL: "postgres://nowhere",
    AUTOMATION_POSTGRES_PASSWORDS_DIR: dir,
    AUTOMATION_S3_ENDPOINT: "http://nowhere",
    AUTOMATION_S3_REGION: "here",
    AUTOMATION_S3_BUCKET: "bucket",
    AUTOMATION_S3_CREDENTIALS_DIR: dir,
    ...own,
  });
const secrets = () => createSecretFiles(() => undefined);

function serversOf(own = settings) {
  const servers = busesOf(told(own), secrets()).nats;
  if (servers === undefined) throw new Error("there is no NATS");
  return { ...servers, clientId: "test" };
}

const count = async (sql: string, values: unknown[] = []) => Number((await superuser.query(sql, values)).rows[0].count);
const soon = { timeout: 60_000, interval: 50 };

/** Dispatcher and relay, told of no Kafka, until work is done. */
async function whileRunning(work: (health: number) => Promise<void>): Promise<void> {
  const [dispatcher = 0, relay = 0] = await freePorts(2);
  const operatorFile = join(dir, "operator.yaml");
  const binding = { bus: "nats", cluster: "main", topic: requestTopic, source };
  writeFileSync(
    operatorFile,
    JSON.stringify({
      sources: [{ ...binding, tenants: ["acme"], orgs: ["*"], types: ["automation.run.requested.v1"] }],
      proof: { baseUri: "https://proof.example" },
    }),
  );
  const common = { ...settings, AUTOMATION_LOG_LEVEL: "error" };
  const stop = new AbortController();
  const running = [
    dispatcherMain(
      {
        ...common,
        AUTOMATION_POSTGRES_URL: database.urlOf("dispatcher"),
        AUTOMATION_TEMPORAL_ADDRESS: "127.0.0.1:1",
        AUTOMATION_TEMPORAL_NAMESPACE: "none",
        AUTOMATION_OPERATOR_FILE: operatorFile,
        AUTOMATION_HEALTH_ADDRESS: `127.0.0.1:${dispatcher}`,
      },
      stop.signal,
    ),
    relayMain(
      {
        ...common,
        AUTOMATION_POSTGRES_URL: database.urlOf("relay"),
        AUTOMATION_HEALTH_ADDRESS: `127.0.0.1:${relay}`,
      },
      stop.signal,
    ),
  ];
  await work(dispatcher).finally(() => stop.abort());
  await Promise.all(running);
}

function publish(id: string, { body = JSON.stringify(aRequest()), from = source } = {}): Promise<unknown> {
  const own = headers();
  const attributes = { specversion: "1.0", id, source: from, type: "automation.run.requested.v1" };
  for (const [name, value] of Object.entries({ ...attributes, tenantid: "acme", orgid: "retail" }))
    own.set(`ce-${name}`, value);
  own.set("content-type", "application/json");
  return jetstream(connection).publish(requestTopic, body, { headers: own });
}

/** Messages of a topic whose attribute has a value. */
async function messages(topic: string, attribute: string, wanted: (value: string) => boolean) {
  const { streams } = await jetstreamManager(connection);
  const name = await streams.find(topic);
  const { state } = await streams.info(name);
  const found: { id: string; type: string; key: string }[] = [];
  for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; seq += 1) {
    const message = await streams.getMessage(name, { seq });
    const of = (header: string) => message?.header?.get(`ce-${header}`) ?? "";
    if (wanted(of(attribute))) found.push({ id: of("id"), type: of("type"), key: of("partitionkey") });
  }
  return found;
}

describe("an installation whose only bus is NATS, with TLS and a user", () => {
  it("makes a run of an event and publishes its events, once however often it came, and what is broken is quarantined there", async () => {
    await whileRunning(async (health) => {
      await vi.waitFor(async () => {
        const ready = await (await fetch(`http://127.0.0.1:${health}/readyz`)).json();
        expect(ready).toMatchObject({ accept: true });
      }, soon);
      const id = randomUUID();
      for (let n = 0; n < 2; n += 1) await publish(id);
      await publish(id, { body: JSON.stringify(aRequest({ goal: "other" })) });
      await publish("broken", { body: "{oops" });
      await publish("foreign", { from: "urn:nobody" });
      await vi.waitFor(async () => {
        expect(await count("select count(*) from deliveries where disposition = 'duplicate'")).toBe(1);
        expect(await count("select count(*) from platform_deliveries")).toBe(1);
      }, soon);
      const { rows } = await superuser.query("select run_id from runs where event_id = $1", [id]);
      expect(rows).toHaveLength(1);
      const { run_id: runId } = rows[0];
      await vi.waitFor(async () => {
        expect(await messages(runEventTopic, "subject", (subject) => subject === runId)).toEqual([
          { id: `${runId}/1`, type: "automation.run.event.v1", key: runId },
        ]);
        expect(await count("select count(*) from outbox")).toBe(0);
      }, soon);
      const told = await messages(governanceTopic, "tenantid", (tenant) => tenant === "acme");
      const { rows: requests } = await superuser.query("select request_id from runs where run_id = $1", [runId]);
      const keys = new Map(told.map(({ type, key }) => [type, key]));
      expect(keys.get("automation.run.conflict.v1")).toBe(requests[0].request_id);
      expect(keys.get("automation.run.quarantined.v1")).toBe(told.find(({ type }) => /quarantined/.test(type))?.id);
      expect(told).toHaveLength(2);
      const { streams } = await jetstreamManager(connection);
      const { state } = await streams.info(await streams.find(quarantineTopic));
      expect(state.messages).toBe(2);
    });
  });

  it("publishes events again once their stream is gone", async () => {
    const { streams } = await jetstreamManager(connection);
    const all = () => messages(runEventTopic, "id", (id) => id !== "");
    const before = await all();
    expect(before.length).toBeGreaterThan(0);
    await streams.delete(await streams.find(runEventTopic));
    await ensureStreams(serversOf(), topics, 1);
    expect(await all()).toEqual([]);
    const environment = { ...settings, AUTOMATION_POSTGRES_URL: database.urlOf("relay") };
    const since = new Date(Date.now() - 3_600_000);
    const wanted = { since, isDryRun: false, signal: AbortSignal.timeout(60_000) };
    const pages: { readonly read: number; readonly events: number }[] = [];
    for await (const page of republishMain(environment, wanted)) pages.push(page);
    expect(pages).toMatchObject([{ read: before.length, events: before.length }]);
    expect(await all()).toEqual(before);
  });

  it("is warned of a ledger that lets go of deliveries which the stream still holds", async () => {
    const warned: string[] = [];
    const log = { warn: (_: object, text: string) => void warned.push(text) } as unknown as Log;
    const buses = busesOf(told(settings), secrets());
    const warn = (deliveries: number | undefined) =>
      warnOfTopicRetention(buses, { deliveries, requests: undefined, runEvents: undefined }, "test", log);
    await warn(undefined);
    expect(warned).toEqual([]);
    await warn(30);
    expect(warned.splice(0)).toEqual([expect.stringMatching(/keeps requests for no limit of time, and .* is 30d/)]);
    const { streams } = await jetstreamManager(connection);
    const name = await streams.find(requestTopic);
    const days = (count: number) => count * 86_400_000_000_000;
    await streams.update(name, { max_age: days(31) });
    await warn(30);
    expect(warned.splice(0)).toEqual([expect.stringMatching(/keeps requests for 31 days/)]);
    await warn(32);
    expect(warned).toEqual([]);
    await streams.update(name, { max_age: 0 });
  });

  it("takes what was published while no dispatcher ran", async () => {
    const id = randomUUID();
    await publish(id);
    await whileRunning(() =>
      vi.waitFor(async () => expect(await count("select count(*) from runs where event_id = $1", [id])).toBe(1), soon),
    );
  });

  it("is refused with a wrong password, and by an authority that is not trusted", async () => {
    writeFileSync(join(dir, "wrong"), "wrong\n");
    const wrong = serversOf({ ...settings, AUTOMATION_NATS_PASSWORD_FILE: join(dir, "wrong") });
    await expect(connectNats(wrong, false)).rejects.toThrow(/Authorization Violation/);
    const { caFile } = makeAuthority(join(dir, "strangers"));
    await expect(connectNats(serversOf({ ...settings, AUTOMATION_NATS_CA_FILE: caFile }), false)).rejects.toThrow(
      /certificate/,
    );
  });
});

describe("servers that take small messages", () => {
  it("are refused by the migration, with the remedy", async () => {
    const [port = 0] = await freePorts(1);
    const signal = AbortSignal.timeout(20 * 60_000);
    const small = await startNats(await findNats(findBy(signal, console.error)), {
      dataDir: join(dir, "small"),
      logFile: join(dir, "small.log"),
      pidsDir: join(dir, "small-pids"),
      signal,
      port,
      settings: ["max_payload: 1048576"],
    });
    const servers = { servers: [`127.0.0.1:${port}`], clientId: "test" };
    await expect(ensureStreams(servers, topics, 1)).rejects.toThrow(
      /max_payload 1048576 of NATS is below 2097152.*2MB/,
    );
    await small.stop(2_000);
  });
});

describe("settings of buses", () => {
  const kafka = { AUTOMATION_KAFKA_BROKERS: "kafka:9092", AUTOMATION_KAFKA_CLUSTER: "main" };
  const servers = { AUTOMATION_NATS_SERVERS: "nats:4222", AUTOMATION_NATS_CLUSTER: "main" };

  it.each<[string, Record<string, string>, RegExp]>([
    ["no bus", {}, /AUTOMATION_KAFKA_BROKERS and AUTOMATION_NATS_SERVERS are not set: set one/],
    ["Kafka without a name", { AUTOMATION_KAFKA_BROKERS: "kafka:9092" }, /AUTOMATION_KAFKA_CLUSTER is not set: give/],
    ["NATS without a name", { AUTOMATION_NATS_SERVERS: "nats:4222" }, /AUTOMATION_NATS_CLUSTER is not set: give/],
    ["a user without a password", { ...servers, AUTOMATION_NATS_USERNAME: "a" }, /belong together: set both or none/],
    [
      "an authority without TLS",
      { ...servers, AUTOMATION_NATS_CA_FILE: "/ca.crt" },
      /AUTOMATION_NATS_TLS is off: turn it on/,
    ],
  ])("are refused: %s", (_case, own, fault) => {
    expect(() => busesOf(told(own), secrets())).toThrow(fault);
  });

  it("name the bus of run events where there are two", () => {
    const [one, both] = [busesOf(told(servers), secrets()), busesOf(told({ ...kafka, ...servers }), secrets())];
    expect([eventBusOf(one, undefined), eventBusOf(both, "kafka"), eventBusOf(both, "nats")]).toEqual([
      "nats",
      "kafka",
      "nats",
    ]);
    expect(() => eventBusOf(both, undefined)).toThrow(/AUTOMATION_EVENT_BUS is not set.*set it to kafka or nats/);
    expect(() => eventBusOf(one, "kafka")).toThrow(
      /AUTOMATION_EVENT_BUS is kafka, and AUTOMATION_KAFKA_BROKERS is not set/,
    );
  });
});
