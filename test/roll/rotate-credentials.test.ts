import { generateKeyPairSync, verify } from "node:crypto";
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { HeadBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { importJWK, SignJWT } from "jose";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { engineEnvironment } from "../../local/engines/engine.ts";
import { runProgram } from "../../local/engines/run-program.ts";
import { findS3 } from "../../local/engines/s3/s3.ts";
import { mintToken } from "../../local/issuer/mint-token.ts";
import { writeWhole } from "../../local/up/ports.ts";
import type { UpState } from "../../local/up/running-stack.ts";
import { folderOf } from "../../local/up/state-folder.ts";
import { createKafkaSink } from "../../src/drivers/kafka/kafka-sink.ts";
import { preAuthEncoding } from "../../src/proof/attestations/dsse.ts";
import type { RecordSink } from "../../src/runs/outbox/bus-record.ts";
import { scrumEvent } from "../support/builders/scrum-event.ts";
import { writeS3Credentials } from "../support/engines/credential-files.ts";
import { brokersOf, newStateDir, removeStateDir } from "../support/engines/stack.ts";
import type { RunningUp } from "../support/engines/up.ts";
import { notedProcesses, readUpFile, startUp } from "../support/engines/up.ts";
import { findBy } from "../support/probes/find.ts";
import { findViolations } from "../support/probes/invariants.ts";

/** Every credential is changed while runs come and go, as docs/operating/rotation.md says. No process is started anew, no run is lost, and the credential before is of no more use. */
const roles = ["api", "dispatcher", "relay"] as const;
const processes = ["api", "dispatcher", "relay", "worker", "workspace"];
const limit = { timeout: 60_000, interval: 50 };

let dir: string;
let folder: ReturnType<typeof folderOf>;
let up: RunningUp;
let state: UpState;
let superuser: pg.Client;
let sink: RecordSink;
let pids: ReadonlyMap<string, number | undefined>;
let traffic: Promise<void>;
const ended = new AbortController();
let sent = 0;

const pidsNow = () => {
  const noted = notedProcesses(dir);
  return new Map(processes.map((name) => [name, noted.get(name)?.pid]));
};

beforeAll(async () => {
  dir = newStateDir();
  folder = folderOf(dir);
  up = startUp("--demo", "--state", dir);
  await up.until(({ event }) => event === "running");
  state = readUpFile(dir);
  superuser = new pg.Client({ connectionString: state.postgres.url });
  await superuser.connect();
  sink = createKafkaSink({ brokers: brokersOf(state), clientId: "rotation" });
  pids = pidsNow();
  traffic = (async () => {
    for (; !ended.signal.aborted; sent += 1) {
      const work = { definition: { id: "increment-evidence" }, profile: { id: "scrum-team" } };
      await sink.send("automation.run.requested", [scrumEvent(`rotation-${sent}`, `PBI-${sent}`, work)]);
      await sleep(500); // the load itself: two requests a second before, during and after each change
    }
  })();
  await completedSince(await now());
});

afterAll(async () => {
  ended.abort();
  await traffic;
  await sink?.close();
  await superuser?.end();
  up?.process.kill("SIGINT");
  await up?.exited;
  removeStateDir(dir);
});

const one = async <T = number>(sql: string, values: unknown[] = []): Promise<T> =>
  Object.values((await superuser.query(sql, values)).rows[0])[0] as T;
const now = () => one<Date>("select clock_timestamp()");

/** Waits until runs that began after a moment are COMPLETED. */
const completedSince = (moment: Date) =>
  vi.waitFor(
    async () =>
      expect(
        await one("select count(*)::int from runs where status = 'COMPLETED' and admitted_at > $1", [moment]),
      ).toBeGreaterThan(0),
    limit,
  );

/** @returns the HTTP status of an empty call */
async function call(rpc: string, token: string): Promise<number> {
  const headers = {
    "content-type": "application/json",
    authorization: `Bearer ${token}`,
    "x-tenant-id": "acme",
    "x-scope-orgid": "retail",
  };
  return (await fetch(rpc, { method: "POST", headers, body: "{}" })).status;
}

async function metricOf(process: "api" | "relay", name: string, secret: string): Promise<number> {
  const ports = JSON.parse(readFileSync(folder.portsFile, "utf8"));
  const text = await (
    await fetch(`http://127.0.0.1:${ports[process === "api" ? "apiHealth" : process]}/metrics`)
  ).text();
  const line = text.split("\n").find((each) => each.startsWith(`${name}{`) && each.includes(`secret="${secret}"`));
  return Number(line?.split(" ").at(-1) ?? Number.NaN);
}

describe("the password of each database role", () => {
  const logIn = async (role: string, password: string): Promise<void> => {
    const url = new URL(state.postgres.url);
    url.username = `automation_${role}`;
    url.password = password;
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    await client.end();
  };

  it.each(roles)(
    "of %s: the file has the new one and the one before, then the role, then the file the new one",
    async (role) => {
      const file = join(folder.passwords, role);
      const before = readFileSync(file, "utf8");
      const fresh = `changed-${role}-password`;
      writeWhole(file, `${fresh}\n${before}\n`);
      await completedSince(await now());
      await superuser.query(`alter role automation_${role} password '${fresh}'`);
      writeWhole(file, fresh);
      const changed = await now();
      await superuser.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", [
        `automation_${role}`,
      ]);
      const sessions = "select count(*)::int from pg_stat_activity where usename = $1 and backend_start > $2";
      await vi.waitFor(
        async () => expect(await one(sessions, [`automation_${role}`, changed])).toBeGreaterThan(0),
        limit,
      );
      await completedSince(changed);
      await expect(logIn(role, before)).rejects.toMatchObject({ code: "28P01" });
      await logIn(role, fresh);
    },
  );

  it("is told of as unusable while its file is half written, and the one before stays in use", async () => {
    const file = join(folder.passwords, "relay");
    const good = readFileSync(file, "utf8");
    writeWhole(file, "\n");
    expect(await metricOf("relay", "automation_secret_unusable", "database")).toBe(1);
    await superuser.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'automation_relay'");
    await completedSince(await now());
    writeWhole(file, good);
    expect(await metricOf("relay", "automation_secret_unusable", "database")).toBe(0);
    const told = readFileSync(folder.log("relay"), "utf8")
      .split("\n")
      .filter((line) => line.includes("secret_unusable"));
    expect(told).toHaveLength(1);
    expect(JSON.parse(told[0] ?? "")).toMatchObject({
      secretName: "database",
      msg: `the secret database in ${file} can't be used: it is empty; the one before stays in use`,
    });
  });
});

describe("the key of the object store", () => {
  const root = () => ({ accessKeyId: state.s3.accessKeyId, secretAccessKey: state.s3.secretAccessKey });
  const account = (name: string) => ({ accessKeyId: `key-${name}`, secretAccessKey: `a long secret of ${name}` });
  const administer = async (...args: string[]): Promise<void> => {
    const program = await findS3(findBy(AbortSignal.timeout(60_000), console.error));
    const { accessKeyId, secretAccessKey } = root();
    const login = ["--access", accessKeyId, "--secret", secretAccessKey, "--endpoint-url", state.s3.endpoint];
    const { code, stderr, stdout } = await runProgram([program, "admin", ...login, ...args], {
      env: engineEnvironment(),
      limitMs: 60_000,
      signal: AbortSignal.timeout(60_000),
    });
    expect(code, `${stdout}${stderr}`).toBe(0);
  };
  const use = (credentials: ReturnType<typeof account>): void => {
    writeS3Credentials(`${folder.s3Credentials}.new`, credentials);
    renameSync(folder.s3Credentials, `${folder.s3Credentials}.${Date.now()}`);
    renameSync(`${folder.s3Credentials}.new`, folder.s3Credentials); // both files at once, as kubelet does it
  };
  const createAccount = ({ accessKeyId, secretAccessKey }: ReturnType<typeof account>) =>
    administer("create-user", "--access", accessKeyId, "--secret", secretAccessKey, "--role", "admin");
  const reach = (credentials: ReturnType<typeof account>) =>
    new S3Client({ endpoint: state.s3.endpoint, region: state.s3.region, credentials, forcePathStyle: true }).send(
      new HeadBucketCommand({ Bucket: state.s3.bucket }),
    );

  it("is followed by a second one, and the first one is removed", async () => {
    const [first, second] = [account("first"), account("second")];
    await createAccount(first);
    use(first);
    await completedSince(await now());
    await createAccount(second);
    use(second);
    const changed = await now();
    await completedSince(changed);
    await administer("delete-user", "--access", first.accessKeyId);
    const removed = await now();
    await completedSince(removed);
    await reach(second);
    await expect(reach(first)).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } });
    const sinceChange = (Date.now() - changed.getTime()) / 1_000;
    const age = await metricOf("api", "automation_secret_age_seconds", "object-store");
    expect(age).toBeLessThanOrEqual(sinceChange + 1);
  });
});

describe("the token of a methodology", () => {
  it("is replaced on both sides, and its service refuses the one before", async () => {
    const before = readFileSync(folder.scrumToken, "utf8");
    writeWhole(folder.scrumToken, "another token of the Scrum service".replaceAll(" ", "-"));
    await completedSince(await now());
    const rpc = `${state.scrum?.url}/scrum.v1.ScrumService/RecordItemDone`;
    expect(await call(rpc, before)).toBe(401);
    expect(await call(rpc, readFileSync(folder.scrumToken, "utf8"))).not.toBe(401);
  });
});

describe("the signing keys", () => {
  interface Signed {
    readonly runId: string;
    readonly keyId: string;
    readonly purpose: string;
    readonly pem: string;
    readonly envelope: Buffer;
    readonly registeredAt: Date;
  }
  const signed = async (): Promise<Signed[]> => {
    const { rows } = await superuser.query<Signed>(
      `select a.run_id as "runId", a.key_id as "keyId", k.purpose, k.public_key_pem as pem, a.envelope, a.registered_at as "registeredAt"
       from attestations a join signing_keys k using (key_id) where a.status = 'REGISTERED'`,
    );
    return rows;
  };

  it("sign from then on, those before sign no more and still verify, and a run has one of each", async () => {
    const before = new Set((await signed()).map(({ keyId }) => keyId));
    for (const purpose of ["builder", "verifier"]) {
      const pem = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" });
      writeWhole(join(folder.keys, `${purpose}.pem`), String(pem));
      await sleep(300); // the two are not changed at one moment
    }
    const changed = await now();
    await completedSince(changed);
    const isLate = ({ registeredAt }: Signed) => registeredAt.getTime() > changed.getTime() + 1_000;
    await vi.waitFor(async () => expect((await signed()).filter(isLate).length).toBeGreaterThan(0), limit);
    const all = await signed();
    for (const { envelope, pem } of all) {
      const { payloadType, payload, signatures } = JSON.parse(envelope.toString());
      const bytes = preAuthEncoding(payloadType, Buffer.from(payload, "base64"));
      expect(verify(null, bytes, pem, Buffer.from(signatures[0].sig, "base64"))).toBe(true);
    }
    const keysOfRun = Map.groupBy(all, ({ runId, purpose }) => `${runId} ${purpose}`);
    for (const [run, statements] of keysOfRun) expect(new Set(statements.map(({ keyId }) => keyId)).size, run).toBe(1);
    expect(all.filter((each) => isLate(each) && before.has(each.keyId))).toEqual([]);
    expect(all.filter(({ keyId }) => before.has(keyId)).length).toBeGreaterThan(0);
  });
});

describe("the token of the workers", () => {
  it("is renewed before it ends, and is refused once it has ended", async () => {
    const key = JSON.parse(readFileSync(join(folder.issuer, "key.json"), "utf8"));
    const { keys } = (await (await fetch(`${state.issuer.url}/jwks.json`)).json()) as { keys: { kid: string }[] };
    const issuedAt = Math.floor(Date.now() / 1_000) - 60; // the api allows 30 s for clocks that differ, so it takes this one for 20 s
    const short = await new SignJWT({ tenants: ["*"], orgs: ["*"], roles: ["worker"] })
      .setProtectedHeader({ alg: "EdDSA", kid: keys[0]?.kid ?? "" })
      .setIssuer(state.issuer.url)
      .setAudience("automation")
      .setSubject("worker-control")
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + 50)
      .sign(await importJWK(key, "EdDSA"));
    const beginWith = (token: string) => call(`${state.api.url}/workflows_runtime.v1.RunWorkerService/BeginRun`, token);
    writeWhole(folder.workerToken, short);
    expect(await beginWith(short)).not.toBe(401);
    const shortUsed = await now();
    const renewed = await mintToken({ ...state, dir }, { tenant: "*", org: "*", role: "worker", subject: "renewed" });
    await completedSince(shortUsed);
    writeWhole(folder.workerToken, renewed);
    await vi.waitFor(async () => expect(await beginWith(short)).toBe(401), limit);
    await completedSince(await now());
  });
});

it("all of it was done by the processes that were there at first, and every request became a run that is COMPLETED", async () => {
  ended.abort();
  await traffic;
  const count = (status: string) =>
    one(`select count(*)::int from runs where event_id like 'rotation-%' and ${status}`);
  await vi.waitFor(async () => expect(await count("ended_at is not null")).toBe(sent), limit);
  expect(await count("status = 'COMPLETED'")).toBe(sent);
  expect(pidsNow()).toEqual(pids);
  expect(up.events.filter(({ message }) => /starting it again|did not answer/.test(message))).toEqual([]);
  await vi.waitFor(async () => expect(await one("select count(*)::int from outbox")).toBe(0), limit);
  const stack = { postgresUrl: state.postgres.url, brokers: brokersOf(state), cluster: "local" };
  const { violations } = await findViolations(stack, AbortSignal.timeout(60_000));
  expect(violations).toEqual([]);
});
