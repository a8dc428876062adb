import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildIntoCache } from "../cache.ts";
import type { Engine, EngineOptions } from "../engine.ts";
import { engineEnvironment, loopback } from "../engine.ts";
import { EngineError } from "../error.ts";
import type { Find } from "../find.ts";
import { findOnPath, pinnedVersion, requireProgram } from "../programs.ts";
import { runProgram } from "../run-program.ts";
import { acceptsConnections, startEngine, startLimitMs } from "../start.ts";

const here = dirname(fileURLToPath(import.meta.url));
const copyDependencies = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
const javaRemedy = "install Java 17 or newer (Debian: apt-get install openjdk-17-jre-headless)";

export interface KafkaProgram {
  java: string;
  /** Folder of jars. */
  libraries: string;
}

/**
 * Kafka's jars: of a 4.1 distribution whose `kafka-server-start.sh` is on PATH, else from the cache, else from Maven, which verifies its downloads.
 * @throws EngineError
 */
export async function findKafka(find: Find): Promise<KafkaProgram> {
  const java = requireProgram("kafka", "java", "to run Kafka", javaRemedy);
  const { stderr, stdout } = await runProgram([java, "-version"], { limitMs: 20_000, signal: find.signal });
  const major = Number(/version "(\d+)/.exec(stderr + stdout)?.[1] ?? 0);
  if (major < 17) {
    throw new EngineError(
      "kafka",
      "wrong_version",
      `${java} is Java ${major}, and Kafka needs 17; ${javaRemedy}, and start again`,
    );
  }
  const version = pinnedVersion(
    readFileSync(join(here, "pom.xml"), "utf8"),
    /kafka_2\.13<\/artifactId>\s*<version>([^<]+)/,
  );
  const script = findOnPath("kafka-server-start.sh");
  if (script !== undefined) {
    const libraries = join(dirname(script), "..", "libs");
    if (existsSync(join(libraries, `kafka_2.13-${version}.jar`))) return { java, libraries };
    find.say(`passing over ${script}: it is not Kafka ${version}`);
  }
  const libraries = await buildIntoCache(
    {
      engine: "kafka",
      version,
      spaceBytes: 2e8,
      duration: "about 15 seconds",
      make: (dir, step) => fetchJars(dir, step, find.signal),
    },
    find,
  );
  return { java, libraries };
}

async function fetchJars(dir: string, step: (text: string) => void, signal: AbortSignal): Promise<void> {
  const mvn = requireProgram("kafka", "mvn", "to fetch Kafka", "install Maven (Debian: apt-get install maven)");
  let fetched = 0;
  const { code, stdout, stderr } = await runProgram(
    [
      "setpriv",
      "--pdeathsig",
      "KILL",
      mvn,
      "-B",
      "--strict-checksums",
      "-f",
      join(here, "pom.xml"),
      copyDependencies,
      `-DoutputDirectory=${dir}`,
    ],
    {
      limitMs: 10 * 60_000,
      signal,
      onLine: (line) => {
        if (/^(\[INFO\] )?Downloaded from /.test(line)) step(`${++fetched} files fetched`);
      },
    },
  );
  if (code !== 0) throw new Error(firstMavenError(stdout + stderr) ?? `mvn ended with ${code}`);
}

const firstMavenError = (text: string) => text.split("\n").find((line) => line.startsWith("[ERROR]"));

export interface KafkaPorts {
  broker: number;
  controller: number;
  /** Where clients are told to find the broker, when that is a door in front of it. */
  advertised?: number | undefined;
}

/** A second listener, with TLS and SCRAM-SHA-512. */
export interface SecuredListener {
  port: number;
  /** PEM, the key and the certificate of `localhost`. */
  keyStore: string;
  user: string;
  password: string;
}

export type KafkaOptions = EngineOptions & { ports: KafkaPorts; secured?: SecuredListener };

/** Starts one broker that is its own controller, without automatic creation of topics. */
export async function startKafka(program: KafkaProgram, options: KafkaOptions): Promise<Engine> {
  const logs = join(options.dataDir, "logs");
  mkdirSync(options.dataDir, { recursive: true });
  if (!existsSync(logs)) await format(program, logs, options);
  const properties = join(options.dataDir, "server.properties");
  writeFileSync(properties, serverProperties(options, logs));
  const address = `${loopback}:${options.ports.broker}`;
  const running = await startEngine({
    ...options,
    name: "kafka",
    port: options.ports.broker,
    argv: [
      program.java,
      "-Xms96m",
      "-Xmx384m",
      ...quickStart,
      ...logSettings,
      "-cp",
      join(program.libraries, "*"),
      "kafka.Kafka",
      properties,
    ],
    env: engineEnvironment(),
    ready: () => acceptsConnections(loopback, options.ports.broker),
  });
  return { ...running, address };
}

/** Warnings and worse, each with its time. */
const logSettings = ["defaultLogLevel=warn", "showDateTime=true", "dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX"].map(
  (setting) => `-Dorg.slf4j.simpleLogger.${setting}`,
);
const quickStart = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"] as const;

async function format(program: KafkaProgram, logs: string, options: KafkaOptions): Promise<void> {
  const unfinished = `${logs}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  const properties = join(options.dataDir, "format.properties");
  writeFileSync(properties, serverProperties(options, unfinished));
  const id = Buffer.from(crypto.randomUUID().replaceAll("-", ""), "hex").toString("base64url");
  const { code, stdout, stderr } = await runProgram(
    [
      program.java,
      "-Xmx128m",
      ...quickStart,
      "-cp",
      join(program.libraries, "*"),
      "kafka.tools.StorageTool",
      "format",
      "--standalone",
      `--cluster-id=${id}`,
      ...(options.secured === undefined ? [] : ["--add-scram", scramOf(options.secured)]),
      "-c",
      properties,
    ],
    { env: engineEnvironment(), limitMs: startLimitMs, signal: options.signal },
  );
  if (code !== 0) {
    throw new EngineError(
      "kafka",
      "start_failed",
      `Kafka could not format ${unfinished}: ${(stdout + stderr).trim().split("\n").at(-1)}`,
    );
  }
  renameSync(unfinished, logs);
}

const scramOf = ({ user, password }: SecuredListener): string =>
  `SCRAM-SHA-512=[name="${user}",password="${password}"]`;

function serverProperties({ ports, secured }: KafkaOptions, logs: string): string {
  return Object.entries({
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.quorum.bootstrap.servers": `${loopback}:${ports.controller}`,
    listeners: `PLAINTEXT://${loopback}:${ports.broker},CONTROLLER://${loopback}:${ports.controller}`,
    "advertised.listeners": `PLAINTEXT://${loopback}:${ports.advertised ?? ports.broker}`,
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "log.dirs": logs,
    "auto.create.topics.enable": false,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1_000,
    // After a kill, the broker is admitted again when its old session has expired.
    "broker.session.timeout.ms": 4_000,
    "broker.heartbeat.interval.ms": 500,
    // The cleaner allocates its buffer at the start, 128 MB by default.
    "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    ...(secured && securedProperties(ports, secured)),
  })
    .map(([key, value]) => `${key}=${value}\n`)
    .join("");
}

function securedProperties(ports: KafkaPorts, { port, keyStore }: SecuredListener) {
  const login = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
  const plain = `PLAINTEXT://${loopback}:${ports.broker}`;
  return {
    listeners: `${plain},CONTROLLER://${loopback}:${ports.controller},SASL_SSL://localhost:${port}`,
    "advertised.listeners": `${plain},SASL_SSL://localhost:${port}`,
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL",
    "inter.broker.listener.name": "PLAINTEXT",
    "sasl.enabled.mechanisms": "SCRAM-SHA-512",
    "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": login,
    "ssl.keystore.type": "PEM",
    "ssl.keystore.location": keyStore,
  };
}
