import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Admin } from "@platformatic/kafka";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { findKafka } from "../../local/engines/kafka/kafka.ts";
import { createInScope } from "../../src/drivers/postgres/in-scope.ts";
import { aRequest, declare } from "../support/builders/declared.ts";
import type { BorrowedEngines } from "../support/engines/borrow-engines.ts";
import { borrowEngines } from "../support/engines/borrow-engines.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";
import { findBy } from "../support/probes/find.ts";
import { consumeInto, eventHeaders, publishRequests, topic } from "../support/worlds/accepting.ts";

/** On a topic that was made without any setting: batches stand on it as producers packed them. */
const codecs = ["gzip", "snappy", "lz4", "zstd"] as const;
let engines: BorrowedEngines;
let database: TestDatabase;
let superuser: pg.Client;
let consuming: ReturnType<typeof consumeInto>;
const rejoins: unknown[] = [];

beforeAll(async () => {
  engines = await borrowEngines({ postgres: true, kafka: true });
  database = await createDatabase(engines.postgres.url);
  superuser = new pg.Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  await declare(createInScope(database.poolOf("api")), "acme");
  const admin = new Admin({ bootstrapBrokers: engines.kafka.brokers, clientId: "somebody-else" });
  await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 });
  await admin.close();
  consuming = consumeInto(database.poolOf("dispatcher"), engines.kafka.brokers, {
    onRejoin: (error) => rejoins.push(error),
  });
});

afterAll(async () => {
  await consuming?.stop();
  await superuser?.end();
  await database?.close();
  await engines?.stop();
});

const soon = { timeout: 60_000, interval: 100 };
const becomeRuns = (prefix: string, count: number) =>
  vi.waitFor(async () => {
    const { rows } = await superuser.query("select count(*)::int as n from runs where event_id like $1", [
      `${prefix}-%`,
    ]);
    expect(rows[0].n).toBe(count);
  }, soon);

async function run(command: string, args: readonly string[], input = ""): Promise<void> {
  const child = spawn(command, args, { stdio: ["pipe", "ignore", "pipe"] });
  const said: string[] = [];
  child.stderr.on("data", (text) => said.push(String(text)));
  child.stdin.end(input);
  const [code] = await once(child, "close");
  expect([code, code === 0 ? "" : said.join("")]).toEqual([0, ""]);
}

const kcat = (codec: string, args: readonly string[], input = "") =>
  run("kcat", ["-P", "-b", engines.kafka.brokers.join(), "-t", topic, "-z", codec, ...args], input);

const lines = (count: number, line: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => line(n)).join("\n");

describe("requests that a producer compressed", () => {
  it.each(codecs)("with %s by librdkafka become runs", async (codec) => {
    for (let n = 0; n < 3; n += 1) {
      const headers = Object.entries(eventHeaders(`kcat-${codec}-${n}`)).flatMap(([name, text]) => [
        "-H",
        `${name}=${text}`,
      ]);
      await kcat(codec, headers, JSON.stringify(aRequest({ goal: "x".repeat(4_000) })));
    }
    await becomeRuns(`kcat-${codec}`, 3);
  });

  it.each(codecs)("with %s by Kafka's own Java producer, many in a batch, become runs", async (codec) => {
    const { java, libraries } = await findKafka(findBy(AbortSignal.timeout(60_000)));
    const event = (n: number) => {
      const headers = Object.entries(eventHeaders(`java-${codec}-${n}`)).map(([name, text]) => `${name}:${text}`);
      return `${headers.join(",")}\t${JSON.stringify(aRequest({ goal: `of ${n} ${"x".repeat(1_000)}` }))}`;
    };
    const producer = ["-cp", join(libraries, "*"), "org.apache.kafka.tools.ConsoleProducer"];
    const settings = ["--property", "parse.headers=true", "--batch-size", "500000", "--timeout", "200"];
    await run(
      java,
      [
        ...producer,
        "--bootstrap-server",
        engines.kafka.brokers.join(),
        "--topic",
        topic,
        "--compression-codec",
        codec,
        ...settings,
      ],
      lines(200, event),
    );
    await becomeRuns(`java-${codec}`, 200);
  });
});

describe("a batch that can't be unpacked within bounds", () => {
  const unbounded = ["-X", "message.max.bytes=100000000", "-X", "batch.size=100000000"];

  /** The one delivery that the batch became, when nothing before or after it was disturbed. */
  const quarantinedBehind = async (name: string, work: () => Promise<void>) => {
    const { rows: known } = await superuser.query("select position from platform_deliveries");
    await publishRequests(engines.kafka.brokers, [`before-${name}-0`]);
    await work();
    await publishRequests(engines.kafka.brokers, [`after-${name}-0`]);
    await becomeRuns(`before-${name}`, 1);
    await becomeRuns(`after-${name}`, 1);
    const { rows } = await superuser.query(
      "select position, cause, reasons from platform_deliveries where position <> all($1)",
      [known.map(({ position }) => position)],
    );
    expect(rows).toHaveLength(1);
    return rows[0];
  };

  it.each(codecs)(
    "since %s makes 17 MiB of it, is one quarantined delivery, and the partition goes on",
    async (codec) => {
      const file = join(engines.dir, "bomb");
      writeFileSync(file, Buffer.alloc(17 * 1024 * 1024));
      const delivery = await quarantinedBehind(`large-${codec}`, () => kcat(codec, [...unbounded, file]));
      expect(delivery).toMatchObject({
        position: expect.stringMatching(/^kafka:local\/requests@[0-9a-f-]+\/0\/(\d+)-\1$/),
        cause: "unreadable",
        reasons: [{ rule: "must unpack to at most 16777216 bytes", remedy: expect.stringMatching(/smaller batches/) }],
      });
    },
  );

  it("since it has 150,000 records, is one quarantined delivery, and the partition goes on", async () => {
    const many = [
      "-X",
      "linger.ms=3000",
      "-X",
      "batch.num.messages=1000000",
      "-X",
      "queue.buffering.max.messages=1000000",
    ];
    const delivery = await quarantinedBehind("many", () =>
      kcat(
        "zstd",
        [...unbounded, ...many],
        lines(150_000, () => "x"),
      ),
    );
    const [, first, last] = /\/0\/(\d+)-(\d+)$/.exec(delivery.position) ?? [];
    expect(Number(last) - Number(first)).toBe(149_999);
    expect(delivery.reasons).toMatchObject([{ rule: "must have at most 100000 records, and has 150000" }]);
  });

  it("does not end the membership of the source", () => {
    expect(rejoins).toEqual([]);
  });
});
