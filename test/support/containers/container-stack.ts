import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseDocument } from "yaml";
import type { Engine } from "../../../local/engines/engine.ts";
import { engineEnvironment, loopback } from "../../../local/engines/engine.ts";
import type { EngineProcess, Exit } from "../../../local/engines/process.ts";
import { startProcess } from "../../../local/engines/process.ts";
import { answers, startEngine } from "../../../local/engines/start.ts";
import { describeStack, engineStarts, findEngines } from "../../../local/up/engines.ts";
import { reservePorts } from "../../../local/up/ports.ts";
import { migrateEnvironment, scrumUnit, stackProcesses } from "../../../local/up/processes.ts";
import type { RunningStack } from "../../../local/up/running-stack.ts";
import { folderOf, prepareFolder, readSecrets, writeOperatorFile } from "../../../local/up/state-folder.ts";
import { writeWorkerToken } from "../../../local/up/worker-token.ts";
import { findBy } from "../probes/find.ts";
import { containerArgv, restricted } from "./run-container.ts";

/** Of the image, see the Dockerfile. */
export const imageUser = 10_001;
const stopLimitMs = 20_000;

/** What boxes need beyond a restricted pod, in the order of docs/operating/images.md. */
export const boxes: readonly string[] = [
  "--security-opt=unmask=ALL",
  "--security-opt=seccomp=unconfined",
  "--security-opt=apparmor=unconfined",
];

/** Engines, issuer and Scrum service on this machine, and the program's processes in containers that the caller starts. */
export interface ContainerStack {
  readonly state: RunningStack;
  /** Runs `automation migrate` to its end. */
  migrate(image: string): Promise<Exit>;
  /** Starts a process by its name in a stack, and waits until it is ready. @param flags - more of podman's */
  start(name: string, image: string, flags?: readonly string[]): Promise<void>;
  /** SIGTERM. @returns how the container ended */
  stop(name: string): Promise<Exit>;
  /** What a process wrote. */
  logOf(name: string): string;
  /** Ends all of it. */
  close(): Promise<void>;
}

/** Starts what containers need. @param signal - ends the start */
export async function startContainerStack(signal: AbortSignal): Promise<ContainerStack> {
  const dir = mkdtempSync(join(tmpdir(), "automation-containers-"));
  const folder = folderOf(dir);
  const { ports } = await reservePorts(folder.portsFile, signal);
  const stack = { folder, ports, secrets: readSecrets(folder), demo: true, buses: ["kafka"] as const };
  const state = { ...describeStack(stack), dir };
  const area = join(dir, "area");
  prepareFolder(folder);
  writeOperatorFile(folder, `http://${loopback}:${ports.scrum}`, undefined);
  const operator = parseDocument(readFileSync(folder.operatorFile, "utf8"));
  operator.setIn(["workspaces", "isolation"], ["userns"]);
  writeFileSync(folder.operatorFile, operator.toString());
  mkdirSync(area);

  const starts = Object.values(engineStarts(stack, await findEngines(findBy(signal, console.error), stack.buses)));
  const running = new Map<string, EngineProcess>();
  const engines: Engine[] = await Promise.all(starts.map((start) => start(signal)));
  const scrum = await scrumUnit(stack).start(signal);
  await writeWorkerToken(state, folder.workerToken, signal);

  const tokens = join(folder.workerToken, "..");
  const credentials = join(folder.s3Credentials, "..");
  const within = (dir: string) => readdirSync(dir, { recursive: true }).map((name) => join(dir, String(name)));
  const readable = [folder.operatorFile, tokens, ...within(tokens), credentials, ...within(credentials)];
  for (const path of [...readable, folder.keys, area]) chownSync(path, imageUser, imageUser);
  chmodSync(folder.repositories, 0o755);
  const mount = (path: string, mode: "ro" | "rw") => `--volume=${path}:${path}:${mode}`;
  const flagsOf: Readonly<Record<string, readonly string[]>> = {
    migrate: [mount(credentials, "ro")],
    api: [mount(folder.keys, "rw"), mount(folder.operatorFile, "ro"), mount(tokens, "ro"), mount(credentials, "ro")],
    dispatcher: [mount(folder.operatorFile, "ro"), mount(credentials, "ro")],
    relay: [mount(credentials, "ro")],
    worker: [mount(tokens, "ro")],
    workspace: [mount(tokens, "ro"), mount(folder.repositories, "ro"), mount(area, "rw"), ...boxes],
  };
  const processOf = (
    name: string,
    image: string,
    args: readonly string[],
    given: Readonly<Record<string, string>>,
    more: readonly string[] = [],
  ) => {
    const env = { ...given, ...(name === "workspace" ? { AUTOMATION_RUN_AREA: join(area, "runs") } : {}) };
    const flags = [...restricted, ...(flagsOf[name] ?? []), ...more];
    return {
      name,
      argv: containerArgv({ image, args, env, flags }),
      env: { ...engineEnvironment(), ...env },
      logFile: folder.log(name),
      pidsDir: folder.pids,
    };
  };

  return {
    state,
    migrate: async (image) => {
      const options = processOf("migrate", image, ["migrate"], migrateEnvironment(stack));
      return await (await startProcess(options)).exited;
    },
    start: async (name, image, flags = []) => {
      const found = stackProcesses(stack).find((each) => each.name === name);
      if (found === undefined) throw new Error(`a stack has no process ${name}`);
      const { args, env, port } = found;
      const ready = () => answers(`http://${env.AUTOMATION_HEALTH_ADDRESS}/readyz`, (status) => status === 200);
      running.set(name, await startEngine({ ...processOf(name, image, args, env, flags), port, ready, signal }));
    },
    stop: async (name) => {
      const found = running.get(name);
      if (found === undefined) throw new Error(`${name} was not started`);
      await found.stop(stopLimitMs);
      running.delete(name);
      return await found.exited;
    },
    logOf: (name) => readFileSync(folder.log(name), "utf8"),
    close: async () => {
      await Promise.all([...running.values()].map((each) => each.stop(stopLimitMs)));
      await scrum.stop(2_000);
      await Promise.all(engines.map((engine) => engine.stop(2_000)));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
