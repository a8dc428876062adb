import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheDir } from "../../../local/engines/cache.ts";
import type { Engine } from "../../../local/engines/engine.ts";
import { engineEnvironment, loopback } from "../../../local/engines/engine.ts";
import type { EngineProcess, Exit } from "../../../local/engines/process.ts";
import { startProcess } from "../../../local/engines/process.ts";
import { answers, startEngine } from "../../../local/engines/start.ts";
import { describeStack, engineStarts, findEngines } from "../../../local/up/engines.ts";
import { reservePorts, writeWhole } from "../../../local/up/ports.ts";
import { migrateEnvironment, scrumUnit, stackProcesses } from "../../../local/up/processes.ts";
import type { RunningStack } from "../../../local/up/running-stack.ts";
import { folderOf, prepareFolder, readSecrets, writeOperatorFile } from "../../../local/up/state-folder.ts";
import { writeWorkerToken } from "../../../local/up/worker-token.ts";
import { freePorts } from "../engines/free-ports.ts";
import { clone, removeStateDir } from "../engines/stack.ts";
import { findBy } from "../probes/find.ts";

/** What every process is promised to need at most between SIGTERM and its end. */
const endLimitMs = 10_000;

/** A process of the program that runs. */
export interface Member {
  /** SIGTERM. @returns how it ended; by SIGKILL when it took longer than 10 s */
  end(): Promise<Exit>;
}

/** Engines, issuer and Scrum service on this machine, and the program's processes, which the caller starts and ends one by one. */
export interface ProcessStack {
  readonly state: RunningStack;
  /** Runs `automation migrate` to its end. @param root - the clone whose program it is; this one unless told */
  migrate(root?: string): Promise<Exit>;
  /** Starts a process by its name in a stack, and waits until it is ready. The api has one address; of the others, several may run. */
  start(name: string, root?: string): Promise<Member>;
  /** What all processes of this name wrote. */
  logOf(name: string): string;
  /** Ends all of it. */
  close(): Promise<void>;
}

/** Starts the engines, and none of the program's processes. @param signal - ends the start */
export async function startProcessStack(signal: AbortSignal): Promise<ProcessStack> {
  const dir = mkdtempSync(join(tmpdir(), "automation-processes-"));
  const folder = folderOf(dir);
  const { ports } = await reservePorts(folder.portsFile, signal);
  const stack = { folder, ports, secrets: readSecrets(folder), demo: true, nats: false };
  const state = { ...describeStack(stack), dir };
  prepareFolder(folder);
  writeOperatorFile(folder, `http://${loopback}:${ports.scrum}`, undefined);
  writeWhole(folder.upFile, describeStack(stack));
  const starts = Object.values(engineStarts(stack, await findEngines(findBy(signal, console.error), { nats: false })));
  const engines: Engine[] = await Promise.all(starts.map((start) => start(signal)));
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
  return {
    state,
    migrate: async (root = clone) =>
      (await startProcess(processOf("migrate", root, ["migrate"], migrateEnvironment(stack)))).exited,
    start: async (name, root = clone) => {
      const found = stackProcesses(stack).find((each) => each.name === name);
      if (found === undefined) throw new Error(`a stack has no process ${name}`);
      const [port = 0] = await freePorts(1);
      const { OTEL_EXPORTER_OTLP_ENDPOINT: _, ...told } = found.env;
      const env = { ...told, AUTOMATION_HEALTH_ADDRESS: `${loopback}:${port}` };
      const url = `http://${name === "api" ? `${loopback}:${ports.api}` : env.AUTOMATION_HEALTH_ADDRESS}/readyz`;
      const ready = () => answers(url, (status) => status === 200);
      const begun = await startEngine({ ...processOf(name, root, found.args, env), port, ready, signal });
      running.add(begun);
      return {
        end: async () => {
          await begun.stop(endLimitMs);
          running.delete(begun);
          return await begun.exited;
        },
      };
    },
    logOf: (name) => readFileSync(folder.log(name), "utf8"),
    close: async () => {
      await Promise.all([...running].map((each) => each.stop(endLimitMs)));
      await scrum.stop();
      await Promise.all(engines.map((engine) => engine.stop()));
      removeStateDir(dir);
    },
  };
}
