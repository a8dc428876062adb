import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { CliError } from "../../src/cli/cli-error.ts";
import { defaultStateDir } from "../../src/cli/clone.ts";
import { untilInterrupted } from "../../src/cli/interrupt.ts";
import { outliveReader } from "../../src/cli/show/terminal.ts";
import { loopback } from "../engines/engine.ts";
import { stopLeftovers } from "../engines/process.ts";
import type { Screen } from "../screen.ts";
import { createScreen } from "../screen.ts";
import { startSpanSink } from "../traces/span-sink.ts";
import type { Bus, Stack } from "./engines.ts";
import { describeStack, engineStarts, findEngines } from "./engines.ts";
import type { PortName } from "./ports.ts";
import { defaultPorts, reservePorts } from "./ports.ts";
import { tellReady } from "./ready.ts";
import type { RunningStack } from "./running-stack.ts";
import { startAll } from "./start-all.ts";
import type { Folder } from "./state-folder.ts";
import {
  bindOnNats,
  folderOf,
  noteOwner,
  prepareFolder,
  readSecrets,
  takeFolder,
  wipe,
  writeOperatorFile,
  writeUpFile,
} from "./state-folder.ts";
import { createSupervisor } from "./supervisor.ts";
import { keepWorkerToken } from "./worker-token.ts";

export interface UpOptions {
  demo?: boolean;
  bus: Bus;
  once?: boolean;
  fresh?: boolean;
  newKeys?: boolean;
  state?: string;
  json?: boolean;
}

/** Together they stay below the 10 s that Ctrl-C may take. */
const processGraceMs = 5_000;
const engineGraceMs = 3_500;
const leftoverGraceMs = 5_000;
/** Long enough for a busy machine, short enough for people who wait. */
const silenceMs = 30_000;

/** Runs the whole stack on this machine, until Ctrl-C; a second one kills what is still ending. */
export async function up(options: UpOptions): Promise<void> {
  outliveReader(); // the stack stays
  const screen = createScreen(options.json === true, () => new Date());
  const hurry = new AbortController();
  await untilInterrupted(
    (signal) => runStack(options, screen, signal, hurry.signal),
    () => hurry.abort(),
  );
}

/** @param hurry - kills what is still ending */
async function runStack(options: UpOptions, screen: Screen, signal: AbortSignal, hurry: AbortSignal): Promise<void> {
  const folder = folderOf(options.state === undefined ? defaultStateDir : resolve(options.state));
  const lock = await takeFolder(folder, signal);
  const began = performance.now();
  rmSync(folder.upFile, { force: true });
  const supervision = {
    report: (name: string, line: string) => screen.tell("process", line, { process: name }),
    silenceMs,
  };
  const processes = createSupervisor(supervision);
  const engines = createSupervisor(supervision);
  const ending = new AbortController();
  const untilEnd = AbortSignal.any([ending.signal, signal]);
  let starting: Promise<void> | undefined;
  let sink: { close(): Promise<void> } | undefined;
  const looking = screen.begin("starting", "looking for the engines");
  try {
    const left = await stopLeftovers(folder.pids, leftoverGraceMs, signal);
    if (left.length > 0)
      screen.tell("cleaned", `ended what an earlier start left running: ${left.join(", ")}`, { left });
    const say = (line: string) => screen.tell("progress", line);
    const begin: Screen["begin"] = (name, step) => {
      looking.end();
      return screen.begin(name, step);
    };
    const programs = await findEngines({ say, begin, signal }, [options.bus]);
    // Ports are chosen last: a build takes minutes, in which others may take them.
    const stack = await prepareStack(folder, options, screen, signal);
    const state = { ...describeStack(stack), dir: folder.dir };
    looking.end();
    sink = await startSpanSink(loopback, stack.ports.traces, folder.traces);
    starting = startAll(stack, engineStarts(stack, programs), { engines, processes }, screen, untilEnd);
    await untilAborted(starting, signal);
    void keepWorkerToken(state, folder.workerToken, (line) => screen.tell("warning", line), untilEnd);
    const { dir: _dir, ...written } = state;
    writeUpFile(folder, written);
    tellReady(screen, stack, performance.now() - began, [...engines.running(), ...processes.running()]);
    await useStack(options, state, screen, signal);
  } finally {
    ending.abort();
    looking.end();
    screen.tell("stopping", signal.aborted ? "stopping; Ctrl-C again kills at once" : "stopping");
    hurry.addEventListener("abort", () => void Promise.all([processes.stop(0), engines.stop(0)]));
    rmSync(folder.upFile, { force: true });
    const graceMs = (most: number) => (hurry.aborted ? 0 : most);
    await processes.stop(graceMs(processGraceMs));
    await engines.stop(graceMs(engineGraceMs));
    await Promise.allSettled([starting, sink?.close()]);
    await lock.release();
    screen.tell("stopped", "stopped");
  }
}

async function prepareStack(folder: Folder, options: UpOptions, screen: Screen, signal: AbortSignal): Promise<Stack> {
  if (options.fresh) wipe(folder, { newKeys: options.newKeys === true });
  const { ports, previous } = await reservePorts(folder.portsFile, signal);
  noteOwner(folder, `http://127.0.0.1:${ports.api}`);
  for (const name of Object.keys(ports) as PortName[]) {
    const wanted = previous[name] ?? defaultPorts[name];
    if (ports[name] === wanted) continue;
    screen.tell("port", `port ${wanted} is taken; ${name} listens on ${ports[name]}`, { name, port: ports[name] });
  }
  const stack = {
    folder,
    ports,
    secrets: readSecrets(folder),
    demo: options.demo === true,
    buses: [options.bus],
  };
  prepareFolder(folder);
  const scrumUrl = (port: number) => `http://127.0.0.1:${port}`;
  writeOperatorFile(folder, scrumUrl(ports.scrum), previous.scrum === undefined ? undefined : scrumUrl(previous.scrum));
  if (options.bus === "nats") bindOnNats(folder);
  return stack;
}

/** Waits for work or the signal. */
async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await Promise.race([
    work,
    new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true })),
  ]);
}

/** Runs the demo, then waits for Ctrl-C, or ends with --once. */
async function useStack(options: UpOptions, state: RunningStack, screen: Screen, signal: AbortSignal): Promise<void> {
  const failure = options.demo ? await demoFailure(state, options, signal) : undefined;
  if (options.once) {
    signal.throwIfAborted();
    if (failure !== undefined) throw new CliError(1, failure);
    return;
  }
  if (signal.aborted) return;
  if (failure !== undefined) screen.tell("demo", failure);
  screen.tell("running", "Ctrl-C stops all");
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** @returns why the demo run did not complete; undefined when it did */
async function demoFailure(
  state: RunningStack,
  { json = false, once: stackEnds }: UpOptions,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { runDemo } = await import("../demo/demo.ts");
  try {
    const { completed, reason } = await runDemo({ state, failing: false, json, signal, stackEnds });
    return completed ? undefined : `the demo run did not complete: ${reason ?? "no reason was given"}`;
  } catch (error) {
    return `the demo run did not complete: ${error instanceof Error ? error.message : String(error)}`;
  }
}
