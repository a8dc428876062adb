import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { Admin, Producer } from "@platformatic/kafka";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ensureTopics } from "../../src/drivers/kafka/ensure-topics.ts";
import { createInScope } from "../../src/drivers/postgres/in-scope.ts";
import { aRequest, declare } from "../support/builders/declared.ts";
import type { BorrowedEngines } from "../support/engines/borrow-engines.ts";
import { borrowEngines } from "../support/engines/borrow-engines.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";
import { consumeInto, eventHeaders, publishRequests, quarantined, topic } from "../support/worlds/accepting.ts";

let engines: BorrowedEngines;
let database: TestDatabase;
let superuser: pg.Client;

beforeAll(async () => {
  engines = await borrowEngines({ postgres: true, kafka: true });
  database = await createDatabase(engines.postgres.url);
  superuser = new pg.Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  await declare(createInScope(database.poolOf("api")), "acme");
  await ensureTopics(engines.kafka.brokers, [{ topic, partitions: 4 }], 1);
});

afterAll(async () => {
  await superuser?.end();
  await database?.close();
  await engines?.stop();
});

/** Consumes into the database until the returned function is called. */
function consuming(pauses: unknown[] = []): () => Promise<void> {
  return consumeInto(database.poolOf("dispatcher"), engines.kafka.brokers, { onPause: (error) => pauses.push(error) })
    .stop;
}

/** Puts a record on the topic with its headers as bytes, in their order; a name may come twice. */
async function publishBytes(
  headers: readonly (readonly [string | Buffer, string | Buffer | null])[],
  value: string | Buffer,
): Promise<void> {
  const producer = new Producer({ clientId: "bytes", bootstrapBrokers: engines.kafka.brokers });
  const bytes = headers.map(([name, text]) => [Buffer.from(name), text === null ? null : Buffer.from(text)] as const);
  await producer.send({
    messages: [{ topic, value: Buffer.from(value), headers: new Map(bytes) as Map<Buffer, Buffer> }],
  });
  await producer.close();
}

const publish = (ids: readonly string[]) => publishRequests(engines.kafka.brokers, ids);

const count = async (sql: string, values: unknown[]) => Number((await superuser.query(sql, values)).rows[0].count);
const runCount = (prefix: string) => count("select count(*) from runs where event_id like $1", [`${prefix}%`]);
const soon = { timeout: 60_000, interval: 100 };

describe("the request topic", () => {
  it("gives each of 2,000 records, a quarter of them duplicates or broken, exactly one disposition", async () => {
    const stop = consuming();
    const ids = Array.from({ length: 2_000 }, (_, n) =>
      n % 8 === 0 ? `many-${n + 1}` : n % 8 === 3 ? "" : `many-${n}`,
    );
    await publish(ids);
    const positions =
      "(select position from run_requests union all select position from deliveries union all select position from platform_deliveries) p where position like 'kafka:local/requests@%'";
    await vi.waitFor(async () => expect(await count(`select count(*) from ${positions}`, [])).toBe(2_000), soon);
    expect(await count(`select count(distinct position) from ${positions}`, [])).toBe(2_000);
    expect(await runCount("many-")).toBe(new Set(ids.filter((id) => id !== "")).size);
    await stop();
  });

  it("takes an event from a foreign producer", async () => {
    const stop = consuming();
    const id = "kcat-1";
    const args = Object.entries(eventHeaders(id)).flatMap(([name, value]) => ["-H", `${name}=${value}`]);
    const kcat = spawn("kcat", ["-P", "-b", engines.kafka.brokers.join(","), "-t", topic, ...args]);
    kcat.stdin.end(JSON.stringify(aRequest()));
    await once(kcat, "exit");
    await vi.waitFor(async () => expect(await runCount("kcat-")).toBe(1), soon);
    await stop();
  });

  it("is another topic once it was deleted and made again: what stands at its positions is new", async () => {
    const rejoins: unknown[] = [];
    const { stop } = consumeInto(database.poolOf("dispatcher"), engines.kafka.brokers, {
      onRejoin: (error) => rejoins.push(error),
    });
    const ids = Array.from({ length: 20 }, (_, n) => (n % 4 === 0 ? "" : `remade-${n}`));
    await publish(ids);
    await vi.waitFor(async () => expect(await runCount("remade-")).toBe(15), soon);
    const quarantinedCount = () => count(`select count(*) from ${quarantined}`, []);
    const duplicates = () => count("select count(*) from deliveries where event_id like 'remade-%'", []);
    const before = await quarantinedCount();
    const admin = new Admin({ bootstrapBrokers: engines.kafka.brokers, clientId: "test" });
    await admin.deleteTopics({ topics: [topic] });
    await ensureTopics(engines.kafka.brokers, [{ topic, partitions: 4 }], 1);
    await admin.close();
    await publish(ids); // the same bytes
    await publish(ids.map((id) => (id === "" ? "" : `${id}-new`)));
    await vi.waitFor(async () => expect(await runCount("remade-")).toBe(30), soon);
    await vi.waitFor(
      async () => expect([await duplicates(), await quarantinedCount()]).toEqual([15, before + 10]),
      soon,
    );
    expect(rejoins).not.toEqual([]);
    await stop();
  });

  it("loses nothing and doubles nothing while Postgres is frozen and comes back", async () => {
    const pauses: unknown[] = [];
    const stop = consuming(pauses);
    await publish(Array.from({ length: 100 }, (_, n) => `before-${n}`));
    await vi.waitFor(async () => expect(await runCount("before-")).toBe(100), soon);
    const frozen = await sessionsOf("automation_dispatcher");
    for (const pid of frozen) process.kill(pid, "SIGSTOP");
    await publish(Array.from({ length: 500 }, (_, n) => `during-${n}`));
    await vi.waitFor(() => expect(pauses.length).toBeGreaterThan(0), soon);
    for (const pid of frozen) process.kill(pid, "SIGCONT");
    await vi.waitFor(async () => expect(await runCount("during-")).toBe(500), soon);
    await stop();
  });
});

/** Backends of a role, by process id on this machine: Postgres runs in our process namespace. */
async function sessionsOf(role: string): Promise<number[]> {
  const { rows } = await superuser.query("select pid from pg_stat_activity where usename = $1", [role]);
  return rows.map((row) => row.pid);
}

const corpus = new URL("../corpus/events/", import.meta.url);
const written = readdirSync(corpus).filter((file) => file.endsWith(".json"));

describe("an event that an official SDK wrote", () => {
  let stop: () => Promise<void>;
  beforeAll(() => {
    stop = consuming();
  });
  afterAll(() => stop());

  it.each(written)("%s becomes a run, or is told how to", async (file) => {
    const { headers, value, valueBase64 } = JSON.parse(readFileSync(new URL(file, corpus), "utf8"));
    await publishBytes(headers, value ?? Buffer.from(valueBase64, "base64"));
    const id = file.slice(0, -".json".length);
    if (/^python-1-structured/.test(id)) {
      const { rows } = await vi.waitFor(async () => {
        const found = await superuser.query(`select owner, reasons from ${quarantined} where event_id = $1`, [id]);
        expect(found.rows).toHaveLength(1);
        return found;
      }, soon);
      expect(rows[0].owner).toBe("acme/retail");
      expect(rows[0].reasons[0]).toMatchObject({
        rule: expect.stringContaining("binary mode"),
        remedy: expect.stringContaining("the header content-type with application/cloudevents+json"),
      });
      return;
    }
    const { rows } = await vi.waitFor(async () => {
      const found = await superuser.query("select * from run_requests where event_id = $1", [id]);
      expect(found.rows).toHaveLength(1);
      return found;
    }, soon);
    const all = {
      subject: id.includes("kafka") ? 'B-1 "50 %" für Köln 🚀' : "B-1",
      data_schema: "urn:example:schemas/asked",
      correlation_id: "c-1",
      tracestate: "vendor=one",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      event_time: expect.any(Date),
    };
    expect(rows[0]).toMatchObject({ disposition: "accepted", ...(id.endsWith("-least") ? {} : all) });
    expect(rows[0].payload).toMatchObject({
      goal: "Kunden sehen ihre offenen Rechnungen für Köln – 中文 🚀",
      parameters: { issue: Number.MAX_SAFE_INTEGER, share: 0.1 },
    });
  });

  it("is refused when a header of it comes twice with two values, or is not UTF-8", async () => {
    const headers = Object.entries(eventHeaders("twice"));
    await publishBytes([...headers, ["ce_subject", "same"], ["CE_Subject", "same"]], JSON.stringify(aRequest()));
    await vi.waitFor(async () => expect(await runCount("twice")).toBe(1), soon);
    await publishBytes([...headers, ["CE_ID", "thrice"]], JSON.stringify(aRequest()));
    await publishBytes([...headers, ["ce_subject", Buffer.of(0xff)]], JSON.stringify(aRequest()));
    const faults = `select 1 from ${quarantined}, jsonb_array_elements(reasons) r where r->>'field' = $1 and r->>'rule' = $2`;
    const isTold = (field: string, rule: string) =>
      vi.waitFor(async () => expect((await superuser.query(faults, [field, rule])).rows).toHaveLength(1), soon);
    await isTold("ce_id", "must not come twice with two values");
    await isTold("ce_subject", "must be UTF-8");
    expect(await runCount("thrice")).toBe(0);
  });
});
