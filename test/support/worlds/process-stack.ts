import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheDir } from "../../../local/engines/cache.ts";
import type { Engine } from "../../../local/engines/engine.ts";
import { engineEnvironment, loopback } from "../../../local/engines/engine.ts";
import { startKafka } from "../../../local/engines/kafka/kafka.ts";
import type { EngineProcess, Exit } from "../../../local/engines/process.ts";
import { startProcess } from "../../../local/engines/process.ts";
import { sendSignal } from "../../../local/engines/send-signal.ts";
import { answers, startEngine } from "../../../local/engines/start.ts";
import type { Bus } from "../../../local/up/engines.ts";
import { describeStack, engineStarts, findEngines } from "../../../local/up/engines.ts";
import type { Ports } from "../../../local/up/ports.ts";
import { reservePorts, writeWhole } from "../../../local/up/ports.ts";
import { migrateEnvironment, scrumUnit, stackProcesses } from "../../../local/up/processes.ts";
import type { RunningStack } from "../../../local/up/running-stack.ts";
import type { Folder, Secrets } from "../../../local/up/state-folder.ts";
import { bindOnNats, folderOf, prepareFolder, readSecrets, writeOperatorFile } from "../../../local/up/state-folder.ts";
import { writeWorkerToken } from "../../../local/up/worker-token.ts";
import { freePorts } from "../engines/free-ports.ts";
import { clone, removeStateDir } from "../engines/stack.ts";
import { findBy } from "../probes/find.ts";

/** What every process is promised to need at most between SIGTERM and its end. */
const endLimitMs = 10_000;

/** A process of the program that runs. */
export interface Member {
  readonly pid: number;
  /** SIGTERM. @returns how it ended; by SIGKILL when it took longer than 10 s */
  end(): Promise<Exit>;
  /** SIGKILL. Resolves when it is gone. */
  kill(): Promise<Exit>;
}

/** Engines, issuer and Scrum service on this machine, and the program's processes, which the caller starts and ends one by one. */
export interface ProcessStack {
  readonly state: RunningStack;
  /** Runs `automation migrate` to its end. @param root - the clone whose program it is; this one unless told */
  migrate(root?: string): Promise<Exit>;
  readonly folder: Folder;
  readonly secrets: Secrets;
  readonly ports: Ports;
  readonly engines: Readonly<Record<string, RunningEngine>>;
  /** What a process is told, with other ports in place of some. */
  environmentOf(name: string, ports: ReadonlyMap<number, number>): Record<string, string>;
  /**
   * Starts a process by its name in a stack, and waits until it is ready. Several may run; an api besides the first needs an address of its own.
   * @param more - what its environment holds besides, or otherwise
   */
  start(name: string, root?: string, more?: Readonly<Record<string, string>>): Promise<Member>;
  /** What all processes of this name wrote. */
  logOf(name: string): string;
  /** Ends all of it. */
  close(): Promise<void>;
}

/** An engine that is taken away and given back. */
export interface RunningEngine {
  pid(): number;
  /** Ends it by a signal, changes what it has stored if told, and starts it again. */
  restart(by: NodeJS.Signals, change?: () => void): Promise<void>;
  stop(): Promise<void>;
}

function runningEngine(first: Engine, start: () => Promise<Engine>): RunningEngine {
  let engine = first;
  return {
    pid: () => engine.pid,
    restart: async (by, change) => {
      sendSignal(engine.pid, by, "leader");
      await engine.exited;
      change?.();
      engine = await start();
    },
    stop: () => engine.stop(),
  };
}

/**
 * Starts the engines, and none of the program's processes.
 * @param signal - ends the start
 * @param options.kafkaAt - the port at which Kafka tells clients to come, when it is not its own
 */
export async function startProcessStack(
  signal: AbortSignal,
  { nats = false, kafkaAt }: { readonly nats?: boolean; readonly kafkaAt?: (port: number) => Promise<number> } = {},
): Promise<ProcessStack> {
  const dir = mkdtempSync(join(tmpdir(), "automation-processes-"));
  const folder = folderOf(dir);
  const { ports } = await reservePorts(folder.portsFile, signal);
  const buses: Bus[] = nats ? ["kafka", "nats"] : ["kafka"];
  const stack = { folder, ports, secrets: readSecrets(folder), demo: true, buses };
  const state = { ...describeStack(stack), dir };
  prepareFolder(folder);
  writeOperatorFile(folder, `http://${loopback}:${ports.scrum}`, undefined);
  writeWhole(folder.upFile, describeStack(stack));
  if (nats) bindOnNats(folder);
  const programs = await findEngines(findBy(signal, console.error), buses);
  const advertised = await kafkaAt?.(ports.kafka);
  const { kafka } = programs;
  if (kafka === undefined) throw new Error("Kafka was not looked for");
  const starts: Readonly<Record<string, (signal: AbortSignal) => Promise<Engine>>> = {
    ...engineStarts(stack, programs),
    kafka: (end) =>
      startKafka(kafka, {
        ...{ dataDir: folder.data("kafka"), logFile: folder.log("kafka"), pidsDir: folder.pids, signal: end },
        ports: { broker: ports.kafka, controller: ports.kafkaController, advertised },
      }),
  };
  const engines: Record<string, RunningEngine> = {};
  await Promise.all(
    Object.entries(starts).map(async ([name, start]) => {
      engines[name] = runningEngine(await start(signal), () => start(signal));
    }),
  );
  const scrum = await scrumUnit(stack).start(signal);
  await writeWorkerToken(state, folder.workerToken, signal);

  const { secrets } = stack;
  const passwordOf: Readonly<Record<string, string>> = secrets;
  /** Secrets as versions read them that knew no files of them. */
  const inVariables = (name: string, { AUTOMATION_POSTGRES_URL: url }: Readonly<Record<string, string>>) => ({
    AUTOMATION_S3_ACCESS_KEY_ID: secrets.s3AccessKeyId,
    AUTOMATION_S3_SECRET_ACCESS_KEY: secrets.s3SecretAccessKey,
    AUTOMATION_POSTGRES_MIGRATE_PASSWORD: secrets.migrate,
    AUTOMATION_POSTGRES_API_PASSWORD: secrets.api,
    AUTOMATION_POSTGRES_DISPATCHER_PASSWORD: secrets.dispatcher,
    AUTOMATION_POSTGRES_RELAY_PASSWORD: secrets.relay,
    ...(url && { AUTOMATION_POSTGRES_URL: url.replace("@", `:${passwordOf[name]}@`) }),
  });
  const running = new Set<EngineProcess>();
  let started = 0;
  const processOf = (name: string, root: string, args: readonly string[], env: Readonly<Record<string, string>>) => ({
    name,
    argv: [process.execPath, join(root, "src", "cli", "automation.ts"), ...args],
    env: {
      ...engineEnvironment(),
      NODE_COMPILE_CACHE: join(cacheDir(), "compiled"),
      ...env,
      ...(root === clone ? {} : inVariables(name, env)),
    },
    logFile: folder.log(name),
    pidsDir: join(folder.pids, String(++started)),
  });
  const findProcess = (name: string) => {
    const found = stackProcesses(stack).find((each) => each.name === name);
    if (found === undefined) throw new Error(`a stack has no process ${name}`);
    return found;
  };
  return {
    state,
    folder,
    secrets,
    ports,
    engines,
    migrate: async (root = clone) =>
      (await startProcess(processOf("migrate", root, ["migrate"], migrateEnvironment(stack)))).exited,
    environmentOf: (name, others) => {
      const changed = (value: string) =>
        value.replaceAll(/127\.0\.0\.1:(\d+)/g, (at, port) => {
          const other = others.get(Number(port));
          return other === undefined ? at : `${loopback}:${other}`;
        });
      return Object.fromEntries(Object.entries(findProcess(name).env).map(([key, value]) => [key, changed(value)]));
    },
    start: async (name, root = clone, more = {}) => {
      const found = findProcess(name);
      const [port = 0] = await freePorts(1);
      const { OTEL_EXPORTER_OTLP_ENDPOINT: _, ...told }: Record<string, string> = { ...found.env, ...more };
      const env: Record<string, string> = { ...told, AUTOMATION_HEALTH_ADDRESS: `${loopback}:${port}` };
      const url = `http://${env.AUTOMATION_API_ADDRESS ?? env.AUTOMATION_HEALTH_ADDRESS}/readyz`;
      const ready = () => answers(url, (status) => status === 200);
      const begun = await startEngine({ ...processOf(name, root, found.args, env), port, ready, signal });
      running.add(begun);
      void begun.exited.then(() => running.delete(begun));
      return {
        pid: begun.pid,
        end: async () => {
          await begun.stop(endLimitMs);
          return await begun.exited;
        },
        kill: async () => {
          sendSignal(begun.pid, "SIGKILL", "group");
          return await begun.exited;
        },
      };
    },
    logOf: (name) => readFileSync(folder.log(name), "utf8"),
    close: async () => {
      await Promise.all([...running].map((each) => each.stop(endLimitMs)));
      await scrum.stop();
      await Promise.all(Object.values(engines).map((engine) => engine.stop()));
      removeStateDir(dir);
    },
  };
}
