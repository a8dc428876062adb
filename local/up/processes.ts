import { join } from "node:path";
import { cloneDir } from "../../src/cli/clone.ts";
import { readOperator } from "../../src/config/operator.ts";
import { otlpEnvironment } from "../../src/config/otlp-environment.ts";
import { processEnvironment } from "../../src/config/process-environment.ts";
import { cacheDir } from "../engines/cache.ts";
import { engineEnvironment, loopback } from "../engines/engine.ts";
import { EngineError } from "../engines/error.ts";
import { postgresUrl } from "../engines/postgres/postgres.ts";
import { startProcess } from "../engines/process.ts";
import { answers, startEngine, startLimitMs, tellingLine } from "../engines/start.ts";
import type { Stack } from "./engines.ts";
import { busEnvironment, describeStack } from "./engines.ts";
import type { Unit } from "./supervisor.ts";

const program = join(cloneDir, "src", "cli", "automation.ts");
const scrumService = join(cloneDir, "examples", "scrum-service", "main.ts");

/** The environment of every Node process, with a cache of compiled code. */
const nodeEnvironment = () => ({ ...engineEnvironment(), NODE_COMPILE_CACHE: join(cacheDir(), "compiled") });

/** Parts of the environment by what they give access to; each process gets only those it needs. */
function environmentParts({ ports, secrets, folder, ...rest }: Stack) {
  const state = describeStack({ ports, secrets, folder, ...rest });
  const postgresAddress = `${loopback}:${ports.postgres}`;
  return {
    postgres: (role: "api" | "dispatcher" | "relay") => ({
      AUTOMATION_POSTGRES_URL: postgresUrl(postgresAddress, `automation_${role}`),
      AUTOMATION_POSTGRES_PASSWORD_FILE: join(folder.passwords, role),
    }),
    admin: {
      AUTOMATION_POSTGRES_ADMIN_URL: state.postgres.url,
      AUTOMATION_POSTGRES_PASSWORDS_DIR: folder.passwords,
    },
    buses: busEnvironment(state),
    eventBus: { AUTOMATION_EVENT_BUS: rest.buses[0] ?? "kafka" },
    temporal: {
      AUTOMATION_TEMPORAL_ADDRESS: state.temporal.address,
      AUTOMATION_TEMPORAL_NAMESPACE: state.temporal.namespace,
    },
    s3: {
      AUTOMATION_S3_ENDPOINT: state.s3.endpoint,
      AUTOMATION_S3_REGION: state.s3.region,
      AUTOMATION_S3_BUCKET: state.s3.bucket,
      AUTOMATION_S3_CREDENTIALS_DIR: folder.s3Credentials,
    },
    health: (port: number) => ({ AUTOMATION_HEALTH_ADDRESS: `${loopback}:${port}` }),
    telemetry: otlpEnvironment(processEnvironment()) ?? {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://${loopback}:${ports.traces}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_METRICS_EXPORTER: "none",
    },
    operator: { AUTOMATION_OPERATOR_FILE: folder.operatorFile },
    api: {
      AUTOMATION_API_ADDRESS: `${loopback}:${ports.api}`,
      AUTOMATION_ISSUER_URL: state.issuer.url,
      AUTOMATION_KEYS_DIR: folder.keys,
    },
    worker: { AUTOMATION_API_URL: state.api.url, AUTOMATION_TOKEN_FILE: folder.workerToken },
    workspace: () => {
      const { hosts, roots } = readOperator(folder.operatorFile).workspaces.repositories;
      return {
        AUTOMATION_RUN_AREA: folder.runArea,
        AUTOMATION_REPOSITORY_HOSTS: hosts.join(","),
        AUTOMATION_REPOSITORY_ROOTS: roots
          .flatMap(({ path, tenants }) => tenants.map((tenant) => `${tenant}=${path}`))
          .join(","),
      };
    },
    scrum: {
      SCRUM_ADDRESS: `${loopback}:${ports.scrum}`,
      SCRUM_STATE_DIR: folder.scrum,
      SCRUM_TOKEN_FILE: folder.scrumToken,
      ...(state.kafka
        ? { SCRUM_KAFKA_BROKERS: state.kafka.brokers.join(",") }
        : { SCRUM_NATS_SERVERS: state.nats?.servers.join(",") ?? "" }),
      SCRUM_TOPIC: "automation.run.requested",
      SCRUM_SOURCE: "urn:example:scrum",
    },
  };
}

/** A process of the program in a stack: what it is told, and where it answers. */
export interface StackProcess {
  readonly name: string;
  readonly args: readonly string[];
  readonly port: number;
  readonly env: Readonly<Record<string, string>>;
}

/** The processes of the program that live as long as the stack. */
export function stackProcesses(stack: Stack): StackProcess[] {
  const { ports } = stack;
  const parts = environmentParts(stack);
  const processes: StackProcess[] = [
    {
      name: "api",
      args: ["api"],
      port: ports.api,
      env: {
        ...parts.postgres("api"),
        ...parts.s3,
        ...parts.api,
        ...parts.health(ports.apiHealth),
        ...parts.operator,
      },
    },
    {
      name: "dispatcher",
      args: ["dispatcher"],
      port: ports.dispatcher,
      env: {
        ...parts.postgres("dispatcher"),
        ...parts.buses,
        ...parts.temporal,
        ...parts.health(ports.dispatcher),
        ...parts.operator,
      },
    },
    {
      name: "relay",
      args: ["relay"],
      port: ports.relay,
      env: { ...parts.postgres("relay"), ...parts.buses, ...parts.eventBus, ...parts.health(ports.relay) },
    },
    {
      name: "worker",
      args: ["worker", "control"],
      port: ports.worker,
      env: { ...parts.temporal, ...parts.worker, ...parts.health(ports.worker) },
    },
    {
      name: "workspace",
      args: ["worker", "workspace"],
      port: ports.workspace,
      env: { ...parts.temporal, ...parts.worker, ...parts.workspace(), ...parts.health(ports.workspace) },
    },
  ];
  return processes.map((each) => ({ ...each, env: { ...parts.telemetry, ...each.env } }));
}

/** The environment of `automation migrate`. */
export function migrateEnvironment(stack: Stack): Record<string, string> {
  const { admin, buses, s3 } = environmentParts(stack);
  return { ...admin, ...buses, ...s3 };
}

/** The processes that live as long as the stack, supervised. */
export function processUnits(stack: Stack): Unit[] {
  const ours = stackProcesses(stack).map((each) => unitOf(stack, { ...each, args: [program, ...each.args] }));
  return stack.demo ? [...ours, scrumUnit(stack)] : ours;
}

/** The example Scrum service. */
export function scrumUnit(stack: Stack): Unit {
  const { scrum, telemetry } = environmentParts(stack);
  const env = { ...telemetry, ...scrum };
  return unitOf(stack, { name: "scrum", args: [scrumService], port: stack.ports.scrum, env });
}

/** @param started - its arguments begin with the file that Node executes */
function unitOf({ folder }: Stack, { name, args, port, env }: StackProcess): Unit {
  return {
    name,
    healthUrl: `http://${loopback}:${port}/healthz`,
    start: (signal) =>
      startEngine({
        name,
        port,
        argv: [process.execPath, ...args],
        env: { ...nodeEnvironment(), ...env },
        logFile: folder.log(name),
        pidsDir: folder.pids,
        ready: () => answers(`http://${loopback}:${port}/readyz`, (status) => status === 200),
        signal,
      }),
  };
}

/**
 * Brings database, topics and bucket up to date.
 * @throws EngineError with the last line of its log
 */
export async function migrate(stack: Stack, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { folder } = stack;
  const logFile = folder.log("migrate");
  const running = await startProcess({
    name: "migrate",
    argv: [process.execPath, program, "migrate"],
    env: { ...nodeEnvironment(), ...migrateEnvironment(stack) },
    logFile,
    pidsDir: folder.pids,
  });
  const limit = AbortSignal.timeout(startLimitMs);
  const end = () => void running.stop(1_000);
  const either = AbortSignal.any([signal, limit]);
  either.addEventListener("abort", end, { once: true });
  const { code } = await running.exited;
  either.removeEventListener("abort", end);
  signal.throwIfAborted();
  if (code === 0) return;
  const why = limit.aborted ? `took longer than ${startLimitMs / 1000} s` : tellingLine(logFile, running.logFrom);
  throw new EngineError("migrate", "start_failed", `migrate failed: ${why}; see ${logFile}`);
}
