import type { Engine, EngineOptions } from "../engines/engine.ts";
import { loopback } from "../engines/engine.ts";
import type { Find } from "../engines/find.ts";
import type { KafkaProgram } from "../engines/kafka/kafka.ts";
import { findKafka, startKafka } from "../engines/kafka/kafka.ts";
import { findNats, startNats } from "../engines/nats/nats.ts";
import { findPostgres, postgresSuperuser, postgresUrl, startPostgres } from "../engines/postgres/postgres.ts";
import { findS3, s3Region, startS3 } from "../engines/s3/s3.ts";
import { findTemporal, startTemporal, temporalNamespace } from "../engines/temporal/temporal.ts";
import { startIssuer } from "../issuer/process.ts";
import type { Ports } from "./ports.ts";
import type { UpState } from "./running-stack.ts";
import type { Folder, Secrets } from "./state-folder.ts";

export type Bus = "kafka" | "nats";

/** The parts of a stack. */
export interface Stack {
  folder: Folder;
  ports: Ports;
  secrets: Secrets;
  demo: boolean;
  /** Where requests are taken from; run events go to the first. */
  buses: readonly Bus[];
}

export const bucket = "automation";
/** Of each bus, in the operator file. */
const busCluster = "local";

const http = (port: number) => `http://${loopback}:${port}`;

export function describeStack({ ports, secrets, demo, buses }: Stack): UpState {
  return {
    pid: process.pid,
    api: { url: http(ports.api) },
    ...(buses.includes("kafka") ? { kafka: { brokers: [`${loopback}:${ports.kafka}`] } } : {}),
    ...(buses.includes("nats") ? { nats: { servers: [`${loopback}:${ports.nats}`] } } : {}),
    postgres: { url: postgresUrl(`${loopback}:${ports.postgres}`, postgresSuperuser, secrets.superuser) },
    temporal: {
      address: `${loopback}:${ports.temporal}`,
      namespace: temporalNamespace,
      uiUrl: http(ports.temporalUi),
    },
    s3: {
      endpoint: http(ports.s3),
      region: s3Region,
      bucket,
      accessKeyId: secrets.s3AccessKeyId,
      secretAccessKey: secrets.s3SecretAccessKey,
    },
    issuer: { url: http(ports.issuer) },
    ...(demo ? { scrum: { url: http(ports.scrum) } } : {}),
  };
}

/** What a process is told of the buses of a stack. */
export const busEnvironment = ({ kafka, nats }: Pick<UpState, "kafka" | "nats">): Record<string, string> => ({
  ...(kafka && { AUTOMATION_KAFKA_BROKERS: kafka.brokers.join(","), AUTOMATION_KAFKA_CLUSTER: busCluster }),
  ...(nats && { AUTOMATION_NATS_SERVERS: nats.servers.join(","), AUTOMATION_NATS_CLUSTER: busCluster }),
});

export interface EnginePrograms {
  temporal: string;
  s3: string;
  kafka?: KafkaProgram;
  postgres: string;
  nats?: string;
}

/**
 * Finds or builds the engines, in parallel.
 * @throws EngineError of the first engine that fails; other builds are aborted
 */
export async function findEngines(options: Find, buses: readonly Bus[]): Promise<EnginePrograms> {
  const failed = new AbortController();
  const find = { ...options, signal: AbortSignal.any([options.signal, failed.signal]) };
  const finding = [
    findTemporal(find),
    findS3(find),
    buses.includes("kafka") ? findKafka(find) : undefined,
    buses.includes("nats") ? findNats(find) : undefined,
  ] as const;
  try {
    const [temporal, s3, kafka, nats] = await Promise.all(finding);
    return { temporal, s3, kafka, nats, postgres: findPostgres() };
  } catch (error) {
    failed.abort();
    await Promise.allSettled(finding);
    throw error;
  }
}

export type EngineStarts = Record<"issuer" | "postgres" | "s3" | "temporal", (signal: AbortSignal) => Promise<Engine>> &
  Partial<Record<Bus, (signal: AbortSignal) => Promise<Engine>>>;

/** Functions that start each engine of this stack. */
export function engineStarts({ folder, ports, secrets }: Stack, programs: EnginePrograms): EngineStarts {
  const at = (name: string, signal: AbortSignal): EngineOptions => ({
    dataDir: folder.data(name),
    logFile: folder.log(name),
    pidsDir: folder.pids,
    signal,
  });
  const credentials = { accessKeyId: secrets.s3AccessKeyId, secretAccessKey: secrets.s3SecretAccessKey };
  const kafkaPorts = { broker: ports.kafka, controller: ports.kafkaController };
  const kafkaStart = (program: KafkaProgram) => (signal: AbortSignal) =>
    startKafka(program, { ...at("kafka", signal), ports: kafkaPorts });
  const natsStart = (program: string) => (signal: AbortSignal) =>
    startNats(program, { ...at("nats", signal), port: ports.nats });
  const temporalPorts = { grpc: ports.temporal, http: ports.temporalHttp, ui: ports.temporalUi };
  return {
    issuer: (signal) => startIssuer({ ...at("issuer", signal), dataDir: folder.issuer, port: ports.issuer }),
    postgres: (signal) =>
      startPostgres(programs.postgres, {
        ...at("postgres", signal),
        port: ports.postgres,
        password: secrets.superuser,
      }),
    ...(programs.kafka && { kafka: kafkaStart(programs.kafka) }),
    ...(programs.nats && { nats: natsStart(programs.nats) }),
    s3: (signal) => startS3(programs.s3, { ...at("s3", signal), port: ports.s3, credentials }),
    temporal: (signal) => startTemporal(programs.temporal, { ...at("temporal", signal), ports: temporalPorts }),
  };
}
