import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo, Socket } from "node:net";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TlsOptions } from "node:tls";
import { createServer } from "node:tls";
import { NativeConnection } from "@temporalio/worker";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Engine } from "../../local/engines/engine.ts";
import { findKafka, startKafka } from "../../local/engines/kafka/kafka.ts";
import type { KafkaSettings } from "../../src/config/kafka-security.ts";
import { kafkaSecurityOf } from "../../src/config/kafka-security.ts";
import { createSecretFiles } from "../../src/config/secret-files.ts";
import type { TemporalSettings } from "../../src/config/temporal-tls.ts";
import { temporalTlsOf } from "../../src/config/temporal-tls.ts";
import { ensureTopics } from "../../src/drivers/kafka/ensure-topics.ts";
import { createKafkaSink } from "../../src/drivers/kafka/kafka-sink.ts";
import { createKafkaSource } from "../../src/drivers/kafka/kafka-source.ts";
import { createPool } from "../../src/drivers/postgres/pool.ts";
import { createTemporal } from "../../src/drivers/temporal/workflow-client.ts";
import { remedyOfConnection } from "../../src/telemetry/tls-remedy.ts";
import type { Authority } from "../support/engines/certificates.ts";
import { makeAuthority } from "../support/engines/certificates.ts";
import type { TestEngines } from "../support/engines/engines.ts";
import { startEngines } from "../support/engines/engines.ts";
import { freePorts } from "../support/engines/free-ports.ts";
import { findBy } from "../support/probes/find.ts";

let dir: string;
let ours: Authority;
let strangers: Authority;
/** Folders with certificates that servers show. */
let good: string;
let expired: string;
let ofOtherHost: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "automation-tls-"));
  ours = makeAuthority(join(dir, "ours"));
  strangers = makeAuthority(join(dir, "strangers"));
  good = ours.sign("server", "DNS:localhost,IP:127.0.0.1");
  expired = ours.sign("expired", "DNS:localhost", 0);
  ofOtherHost = ours.sign("other", "DNS:elsewhere.example");
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** What the remedy for a call that fails is. */
const remedyFor = (call: Promise<unknown>) =>
  call.then(
    () => "it succeeded",
    (error: unknown) => remedyOfConnection(error) ?? `no remedy for: ${error}`,
  );

/** A server that shows a certificate and passes on what it gets, as proxies and meshes do. */
async function inTlsBefore(port: number, options: TlsOptions) {
  const open = new Set<Socket>();
  const server = createServer({ ALPNProtocols: ["h2"], ...options }, (client) => {
    const inner = connect(port, "127.0.0.1");
    for (const socket of [client, inner]) {
      open.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => [client, inner].forEach((each) => void each.destroy()));
    }
    client.pipe(inner).pipe(client);
  });
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}
const shown = (folder: string): TlsOptions => ({
  cert: readFileSync(join(folder, "tls.crt")),
  key: readFileSync(join(folder, "tls.key")),
});

describe("Kafka with TLS and SCRAM", () => {
  let kafka: Engine;
  let plainPort: number;
  let port: number;
  let passwordFile: string;
  const settings = (change: Partial<KafkaSettings> = {}): KafkaSettings => ({
    AUTOMATION_KAFKA_TLS: "on",
    AUTOMATION_KAFKA_CA_FILE: ours.caFile,
    AUTOMATION_KAFKA_SASL_MECHANISM: "SCRAM-SHA-512",
    AUTOMATION_KAFKA_USERNAME: "automation",
    AUTOMATION_KAFKA_PASSWORD_FILE: passwordFile,
    ...change,
  });
  const securityOf = (change: Partial<KafkaSettings> = {}) =>
    kafkaSecurityOf(
      settings(change),
      createSecretFiles(() => undefined),
    );
  const connecting = async (at: number, change: Partial<KafkaSettings> = {}) => {
    const sink = createKafkaSink({ brokers: [`localhost:${at}`], clientId: "test", security: securityOf(change) });
    try {
      await sink.connect();
    } finally {
      await sink.close();
    }
  };

  beforeAll(async () => {
    const [broker = 0, controller = 0, secured = 0] = await freePorts(3);
    [plainPort, port] = [broker, secured];
    passwordFile = join(dir, "kafka-password");
    writeFileSync(passwordFile, "a password of Kafka");
    const signal = AbortSignal.timeout(170_000);
    kafka = await startKafka(await findKafka(findBy(signal, console.error)), {
      dataDir: join(dir, "kafka"),
      logFile: join(dir, "kafka.log"),
      pidsDir: join(dir, "pids"),
      signal,
      ports: { broker, controller },
      secured: { port, keyStore: join(good, "both.pem"), user: "automation", password: "a password of Kafka" },
    });
  });
  afterAll(async () => await kafka?.stop());

  it("makes topics, and carries records both ways", async () => {
    const brokers = [`localhost:${port}`];
    const security = securityOf();
    await ensureTopics(brokers, [{ topic: "secured", partitions: 1 }], 1, security);
    const sink = createKafkaSink({ brokers, clientId: "test", security });
    await sink.send("secured", [{ key: "k", headers: [], body: Buffer.from("in secret") }]);
    await sink.close();
    const ending = new AbortController();
    const bodies: string[] = [];
    const source = createKafkaSource({
      ...{ brokers, security, cluster: "test", clientId: "test", group: "test", topic: "secured", batchSize: 10 },
      handle: async (deliveries) => {
        bodies.push(...deliveries.map(({ body }) => Buffer.from(body ?? "").toString()));
        ending.abort();
      },
      canGoOn: async () => true,
      onPause: (error) => ending.abort(error),
      onRejoin: (error) => ending.abort(error),
      now: () => new Date(),
    });
    await source.run(ending.signal);
    expect(bodies).toEqual(["in secret"]);
  });

  it("is told apart by what is wrong, each with its remedy", async () => {
    const wrong = join(dir, "wrong-password");
    writeFileSync(wrong, "another password");
    expect(await remedyFor(connecting(port, { AUTOMATION_KAFKA_PASSWORD_FILE: wrong }))).toMatch(/user or password/);
    expect(await remedyFor(connecting(port, { AUTOMATION_KAFKA_CA_FILE: strangers.caFile }))).toMatch(/not trusted/);
    expect(await remedyFor(connecting(plainPort))).toMatch(/does not speak TLS/);
    for (const [folder, remedy] of [
      [expired, /has expired/],
      [ofOtherHost, /for other hosts/],
    ] as const) {
      const proxy = await inTlsBefore(port, { ...shown(folder), ALPNProtocols: [] });
      expect(await remedyFor(connecting(proxy.port))).toMatch(remedy);
      await proxy.close();
    }
  });

  it("is refused before the start when settings or files can't be right, by name and remedy", () => {
    const absent = join(dir, "absent.crt");
    expect(() => securityOf({ AUTOMATION_KAFKA_CA_FILE: absent })).toThrow(
      `AUTOMATION_KAFKA_CA_FILE ${absent} can't be used: it can't be read (ENOENT); name a file that this process may read`,
    );
    expect(() => securityOf({ AUTOMATION_KAFKA_CA_FILE: passwordFile })).toThrow(/holds no certificate in PEM/);
    expect(() => securityOf({ AUTOMATION_KAFKA_TLS: "off" })).toThrow(/AUTOMATION_KAFKA_TLS is off: turn it on/);
    expect(() => securityOf({ AUTOMATION_KAFKA_USERNAME: undefined })).toThrow(
      /belong together: set all three or none/,
    );
    const open = { AUTOMATION_KAFKA_TLS: "off", AUTOMATION_KAFKA_CA_FILE: undefined } as const;
    expect(() => securityOf({ ...open, AUTOMATION_KAFKA_SASL_MECHANISM: "PLAIN" })).toThrow(
      /sends the password in clear/,
    );
  });
});

describe("Temporal behind TLS that wants a certificate", () => {
  let engines: TestEngines;
  let plainPort: number;
  let proxy: Awaited<ReturnType<typeof inTlsBefore>>;
  let client: string;
  const settings = (change: Partial<TemporalSettings> = {}): TemporalSettings => ({
    AUTOMATION_TEMPORAL_TLS: "on",
    AUTOMATION_TEMPORAL_CA_FILE: ours.caFile,
    AUTOMATION_TEMPORAL_CERTIFICATE_DIR: client,
    ...change,
  });
  /** As workers connect. */
  const connecting = async (at: number, change: Partial<TemporalSettings> = {}) => {
    const tls = temporalTlsOf(settings(change)) ?? null;
    await (await NativeConnection.connect({ address: `localhost:${at}`, tls })).close();
  };

  beforeAll(async () => {
    engines = await startEngines({ temporal: true });
    plainPort = Number(engines.temporal.address.split(":")[1]);
    client = ours.sign("client", "DNS:automation");
    proxy = await inTlsBefore(plainPort, { ...shown(good), ca: readFileSync(ours.caFile), requestCert: true });
  });
  afterAll(async () => {
    await proxy?.close();
    await engines?.stop();
  });

  it("is reached by the dispatcher's client and by the workers' connection", async () => {
    const address = `localhost:${proxy.port}`;
    const temporal = createTemporal({ address, namespace: engines.temporal.namespace, tls: temporalTlsOf(settings()) });
    expect(await temporal.reachable()).toBe(true);
    await temporal.close();
    await connecting(proxy.port);
  });

  it("is told apart by what is wrong, each with its remedy", async () => {
    const none = { AUTOMATION_TEMPORAL_CERTIFICATE_DIR: undefined };
    expect(await remedyFor(connecting(proxy.port, none))).toMatch(/wants a certificate from us/);
    expect(await remedyFor(connecting(proxy.port, { AUTOMATION_TEMPORAL_CA_FILE: strangers.caFile }))).toMatch(
      /not trusted/,
    );
    expect(await remedyFor(connecting(plainPort))).toMatch(/does not speak TLS/);
    for (const [folder, remedy] of [
      [expired, /has expired/],
      [ofOtherHost, /for other hosts/],
    ] as const) {
      const other = await inTlsBefore(plainPort, shown(folder));
      expect(await remedyFor(connecting(other.port))).toMatch(remedy);
      await other.close();
    }
  });

  it("is refused before the start when files can't be right, by name and remedy", () => {
    const absent = { AUTOMATION_TEMPORAL_CERTIFICATE_DIR: dir };
    expect(() => temporalTlsOf(settings(absent))).toThrow(
      `AUTOMATION_TEMPORAL_CERTIFICATE_DIR ${join(dir, "tls.crt")} can't be used: it can't be read (ENOENT)`,
    );
    expect(() => temporalTlsOf(settings({ AUTOMATION_TEMPORAL_CERTIFICATE_DIR: expired }))).toThrow(
      /expired at .*; renew it/,
    );
    expect(() => temporalTlsOf(settings({ AUTOMATION_TEMPORAL_TLS: "off" }))).toThrow(/AUTOMATION_TEMPORAL_TLS is off/);
  });
});

describe("PostgreSQL with TLS, by what its URL says", () => {
  let engines: TestEngines;
  let superuser: pg.Client;

  beforeAll(async () => {
    engines = await startEngines({ postgres: true });
    superuser = new pg.Client({ connectionString: engines.postgres.url });
    await superuser.connect();
    await show(good);
  });
  afterAll(async () => {
    await superuser?.end();
    await engines?.stop();
  });

  const show = async (folder: string) => {
    await superuser.query(`alter system set ssl_cert_file = '${join(folder, "tls.crt")}'`);
    await superuser.query(`alter system set ssl_key_file = '${join(folder, "tls.key")}'`);
    await superuser.query("alter system set ssl = on");
    await superuser.query("select pg_reload_conf()");
  };
  const isEncrypted = async (caFile: string): Promise<boolean> => {
    const url = `${engines.postgres.url}?sslmode=verify-full&sslrootcert=${caFile}`;
    const pool = createPool({ url, applicationName: "test", max: 1, onError: () => undefined });
    try {
      return (await pool.query("select ssl from pg_stat_ssl where pid = pg_backend_pid()")).rows[0].ssl;
    } finally {
      await pool.end();
    }
  };

  it("is reached with the authority that sslrootcert names", async () => {
    await vi.waitFor(async () => expect(await isEncrypted(ours.caFile)).toBe(true), { timeout: 10_000 });
  });

  it("is told apart by what is wrong, each with its remedy", async () => {
    expect(await remedyFor(isEncrypted(strangers.caFile))).toMatch(/not trusted/);
    for (const [folder, remedy] of [
      [expired, /has expired/],
      [ofOtherHost, /for other hosts/],
    ] as const) {
      await show(folder);
      await vi.waitFor(async () => expect(await remedyFor(isEncrypted(ours.caFile))).toMatch(remedy), {
        timeout: 10_000,
      });
    }
  });
});
