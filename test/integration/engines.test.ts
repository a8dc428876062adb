import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { Admin, Producer } from "@platformatic/kafka";
import { Connection } from "@temporalio/client";
import pg from "pg";
import { afterAll, expect, it } from "vitest";
import type { Engine } from "../../local/engines/engine.ts";
import { findKafka, startKafka } from "../../local/engines/kafka/kafka.ts";
import { findPostgres, postgresUrl, startPostgres } from "../../local/engines/postgres/postgres.ts";
import { identify } from "../../local/engines/process-identity.ts";
import { findS3, s3Region, startS3 } from "../../local/engines/s3/s3.ts";
import { answers, startEngine } from "../../local/engines/start.ts";
import { findTemporal, startTemporal, temporalNamespace } from "../../local/engines/temporal/temporal.ts";
import { ensureTopics } from "../../src/drivers/kafka/ensure-topics.ts";
import { searchAttributes } from "../../src/drivers/temporal/contract.ts";
import { freePorts } from "../support/engines/free-ports.ts";
import { findBy } from "../support/probes/find.ts";

const signal = AbortSignal.timeout(20 * 60_000);
const find = findBy(signal, console.error);
const dir = mkdtempSync(join(tmpdir(), "automation-engines-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const placed = (name: string) => ({
  dataDir: join(dir, name),
  logFile: join(dir, "logs", `${name}.log`),
  pidsDir: join(dir, "pids"),
  signal,
});

/** Runs `first` on a new engine, then `second` on the same data behind other ports, after the engine was killed in between. */
async function overARestart(
  start: () => Promise<Engine>,
  first: (address: string) => Promise<void>,
  second: (address: string) => Promise<void>,
): Promise<void> {
  const before = await start();
  await first(before.address);
  process.kill(before.pid, "SIGKILL");
  await before.exited;
  const after = await start();
  expect(after.address).not.toBe(before.address);
  await second(after.address);
  await after.stop();
  expect(identify(after.pid)).toBeUndefined();
}

it("keeps what Postgres committed over kill -9 and another port, and lets nobody in without the password", async () => {
  const password = "a password / with @ signs";
  const start = async () => {
    const [port = 0] = await freePorts(1);
    return await startPostgres(findPostgres(), { ...placed("postgres"), port, password });
  };
  const query = async (address: string, sql: string, secret = password) => {
    const client = new pg.Client(postgresUrl(address, "postgres", secret));
    await client.connect();
    return await client.query(sql).finally(() => client.end());
  };
  await overARestart(
    start,
    async (address) => {
      await query(address, "create table kept (n int)");
      await query(address, "insert into kept values (42)");
      await expect(query(address, "select 1", "wrong")).rejects.toMatchObject({ code: "28P01" });
    },
    async (address) => expect((await query(address, "select n from kept")).rows).toEqual([{ n: 42 }]),
  );
});

it("keeps Kafka's topics over kill -9 and other ports, and makes none by mere use", async () => {
  const program = await findKafka(find);
  const start = async () => {
    const [broker = 0, controller = 0] = await freePorts(2);
    return await startKafka(program, { ...placed("kafka"), ports: { broker, controller } });
  };
  const topics = async (address: string, create: string[]) => {
    await ensureTopics(
      [address],
      create.map((topic) => ({ topic, partitions: 3 })),
      1,
    );
    const client = { bootstrapBrokers: [address], clientId: "test", retries: 0 };
    const producer = new Producer(client);
    await expect(
      producer.send({ autocreateTopics: true, messages: [{ topic: "nobody-made-this", value: Buffer.from("x") }] }),
    ).rejects.toThrow();
    await producer.close();
    const admin = new Admin(client);
    return await admin.listTopics().finally(() => admin.close());
  };
  await overARestart(
    start,
    async (address) => expect(await topics(address, ["kept"])).toEqual(["kept"]),
    async (address) => expect(await topics(address, ["more"])).toEqual(expect.arrayContaining(["kept", "more"])),
  );
});

it("keeps S3's objects over kill -9 and another port, and refuses a second write of the same key when asked to", async () => {
  const program = await findS3(find);
  const credentials = { accessKeyId: "key", secretAccessKey: "a secret of some length" };
  const start = async () => {
    const [port = 0] = await freePorts(1);
    return await startS3(program, { ...placed("s3"), port, credentials });
  };
  const client = (address: string) =>
    new S3Client({ endpoint: `http://${address}`, region: s3Region, credentials, forcePathStyle: true });
  const object = { Bucket: "kept", Key: "a/b" };
  await overARestart(
    start,
    async (address) => {
      await client(address).send(new CreateBucketCommand({ Bucket: "kept" }));
      await client(address).send(new PutObjectCommand({ ...object, Body: "whole", IfNoneMatch: "*" }));
    },
    async (address) => {
      const { Body } = await client(address).send(new GetObjectCommand(object));
      expect(await Body?.transformToString()).toBe("whole");
      const again = client(address).send(new PutObjectCommand({ ...object, Body: "other", IfNoneMatch: "*" }));
      await expect(again).rejects.toMatchObject({ name: "PreconditionFailed" });
    },
  );
});

it("serves Temporal's namespace with all search attributes, also after kill -9 and behind other ports", async () => {
  const program = await findTemporal(find);
  const start = async () => {
    const [grpc = 0, http = 0] = await freePorts(2);
    return await startTemporal(program, { ...placed("temporal"), ports: { grpc, http } });
  };
  const check = async (address: string) => {
    const connection = await Connection.connect({ address });
    const { customAttributes } = await connection.operatorService.listSearchAttributes({
      namespace: temporalNamespace,
    });
    expect(Object.keys(customAttributes ?? {})).toEqual(expect.arrayContaining(Object.keys(searchAttributes)));
    const started = await connection.workflowService.startWorkflowExecution({
      namespace: temporalNamespace,
      workflowId: `w-${address}`,
      workflowType: { name: "nobody-runs-this" },
      taskQueue: { name: "none" },
      requestId: address,
    });
    expect(started.runId).not.toBe("");
    await connection.close();
  };
  await overARestart(start, check, check);
});

/** A folder of Temporal as another version of this program left it, with search attributes of its own. */
async function olderTemporal(name: string, attributes: string[]): Promise<ReturnType<typeof placed>> {
  const folder = { ...placed(name), dataDir: join(dir, name) };
  const [port = 0, http = 0] = await freePorts(2);
  mkdirSync(folder.dataDir);
  const older = await startEngine({
    ...folder,
    name,
    port,
    argv: [
      await findTemporal(find),
      "server",
      "start-dev",
      "--headless",
      "--ip",
      "127.0.0.1",
      "--port",
      String(port),
      "--http-port",
      String(http),
      "--namespace",
      temporalNamespace,
      "--log-level",
      "error",
      "--db-filename",
      join(folder.dataDir, "temporal.db"),
      ...attributes.flatMap((attribute) => ["--search-attribute", attribute]),
    ],
    env: process.env,
    ready: () =>
      answers(
        `http://127.0.0.1:${http}/api/v1/namespaces/${temporalNamespace}/search-attributes`,
        (status, body) =>
          status === 200 && attributes.every((attribute) => body.includes(attribute.split("=")[0] ?? "")),
      ),
  });
  await older.stop();
  return folder;
}

it("gives Temporal's namespace the search attributes that an older folder lacks", async () => {
  const folder = await olderTemporal("older-temporal", ["TenantId=Keyword", "WorkItemIds=KeywordList"]);
  const [grpc = 0, http = 0] = await freePorts(2);
  const temporal = await startTemporal(await findTemporal(find), { ...folder, ports: { grpc, http } });
  const connection = await Connection.connect({ address: temporal.address });
  const listed = await connection.operatorService.listSearchAttributes({ namespace: temporalNamespace });
  expect(Object.keys(listed.customAttributes ?? {}).sort()).toEqual(
    [...Object.keys(searchAttributes), "WorkItemIds"].sort(),
  );
  await connection.close();
  await temporal.stop();
});

it("says at once that an older folder of Temporal has no room for our search attributes, and what to do", async () => {
  const folder = await olderTemporal("full-temporal", ["A=KeywordList", "B=KeywordList", "C=KeywordList"]);
  const [grpc = 0, http = 0] = await freePorts(2);
  await expect(startTemporal(await findTemporal(find), { ...folder, ports: { grpc, http } })).rejects.toMatchObject({
    code: "start_failed",
    message: expect.stringMatching(/KeywordList\); to begin with empty data, start again with --fresh$/),
  });
});

it("says why an engine does not start: its port is taken", async () => {
  const [port = 0] = await freePorts(1);
  const options = { ...placed("taken"), port, password: "some password" };
  const first = await startPostgres(findPostgres(), options);
  const second = startPostgres(findPostgres(), { ...options, ...placed("taken-too") });
  await expect(second).rejects.toMatchObject({
    code: "start_failed",
    message: `postgres cannot listen on ${port}: another program does; end that one and start again`,
  });
  await first.stop();
});
