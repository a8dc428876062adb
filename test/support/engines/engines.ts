import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Engine } from "../../../local/engines/engine.ts";
import { findKafka, startKafka } from "../../../local/engines/kafka/kafka.ts";
import { findNats, startNats } from "../../../local/engines/nats/nats.ts";
import {
  findPostgres,
  postgresSuperuser,
  postgresUrl,
  startPostgres,
} from "../../../local/engines/postgres/postgres.ts";
import type { S3Credentials } from "../../../local/engines/s3/s3.ts";
import { findS3, s3Region, startS3 } from "../../../local/engines/s3/s3.ts";
import { findTemporal, startTemporal, temporalNamespace } from "../../../local/engines/temporal/temporal.ts";
import { findBy } from "../probes/find.ts";
import { freePorts } from "./free-ports.ts";

export interface WantedEngines {
  postgres?: boolean;
  kafka?: boolean;
  nats?: boolean;
  s3?: boolean;
  temporal?: boolean;
  signal?: AbortSignal;
}

export interface TestEngines {
  /** Superuser and database `automation`. */
  postgres: { url: string; address: string; password: string; engine: Engine };
  kafka: { brokers: string[]; engine: Engine };
  nats: { servers: string[]; engine: Engine };
  s3: {
    endpoint: string;
    region: string;
    accessKeyId: string;
    secretAccessKey: string;
    credentials: () => S3Credentials;
    bucket: string;
    engine: Engine;
  };
  temporal: { address: string; namespace: string; engine: Engine };
  /** Temporary folder of these engines, removed by `stop`. */
  dir: string;
  stop(): Promise<void>;
}

/** Starts the engines asked for, real ones on free ports in a temporary folder. Reading one that was not asked for throws. */
export async function startEngines(wanted: WantedEngines): Promise<TestEngines> {
  const signal = wanted.signal ?? AbortSignal.timeout(20 * 60_000);
  const dir = mkdtempSync(join(tmpdir(), "automation-test-"));
  const running: Engine[] = [];
  const find = findBy(signal, console.error);
  const placed = (name: string) => ({
    dataDir: join(dir, name),
    logFile: join(dir, "logs", `${name}.log`),
    pidsDir: join(dir, "pids"),
    signal,
  });
  const started = async (engine: Promise<Engine>) => {
    const up = await engine;
    running.push(up);
    return up;
  };
  const stop = async () => {
    await Promise.all(running.map((engine) => engine.stop(2_000)));
    rmSync(dir, { recursive: true, force: true });
  };
  const [pgPort = 0, brokerPort = 0, controllerPort = 0, s3Port = 0, grpc = 0, http = 0, natsPort = 0] =
    await freePorts(7);
  const starts = {
    postgres: async () => {
      const password = randomBytes(18).toString("base64url");
      const engine = await started(startPostgres(findPostgres(), { ...placed("postgres"), port: pgPort, password }));
      const { address } = engine;
      return { url: postgresUrl(address, postgresSuperuser, password), address, password, engine };
    },
    kafka: async () => {
      const ports = { broker: brokerPort, controller: controllerPort };
      const engine = await started(startKafka(await findKafka(find), { ...placed("kafka"), ports }));
      return { brokers: [engine.address], engine };
    },
    nats: async () => {
      const engine = await started(startNats(await findNats(find), { ...placed("nats"), port: natsPort }));
      return { servers: [engine.address], engine };
    },
    s3: async () => {
      const credentials = { accessKeyId: "test", secretAccessKey: randomBytes(18).toString("base64url") };
      const engine = await started(startS3(await findS3(find), { ...placed("s3"), port: s3Port, credentials }));
      const endpoint = `http://${engine.address}`;
      return {
        endpoint,
        region: s3Region,
        ...credentials,
        credentials: () => credentials,
        bucket: "automation",
        engine,
      };
    },
    temporal: async () => {
      const engine = await started(
        startTemporal(await findTemporal(find), { ...placed("temporal"), ports: { grpc, http } }),
      );
      return { address: engine.address, namespace: temporalNamespace, engine };
    },
  };
  const begin = <T>(name: keyof typeof starts, start: () => Promise<T>): Promise<T | undefined> =>
    wanted[name] ? start() : Promise.resolve(undefined);
  const attempts = await Promise.allSettled([
    begin("postgres", starts.postgres),
    begin("kafka", starts.kafka),
    begin("nats", starts.nats),
    begin("s3", starts.s3),
    begin("temporal", starts.temporal),
  ]);
  const failed = attempts.find((attempt) => attempt.status === "rejected");
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  const [postgres, kafka, nats, s3, temporal] = attempts.map(
    (attempt) => (attempt as PromiseFulfilledResult<unknown>).value,
  );
  return {
    get postgres() {
      return asked("postgres", postgres as TestEngines["postgres"] | undefined);
    },
    get kafka() {
      return asked("kafka", kafka as TestEngines["kafka"] | undefined);
    },
    get nats() {
      return asked("nats", nats as TestEngines["nats"] | undefined);
    },
    get s3() {
      return asked("s3", s3 as TestEngines["s3"] | undefined);
    },
    get temporal() {
      return asked("temporal", temporal as TestEngines["temporal"] | undefined);
    },
    dir,
    stop,
  };
}

function asked<T>(name: string, engine: T | undefined): T {
  if (engine === undefined) throw new Error(`startEngines was not asked for ${name}`);
  return engine;
}
