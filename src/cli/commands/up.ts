import { rmSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { stopLeftovers } from "../../../local/engines/engine-process.ts";
import { familyOf, memoryBytesOf } from "../../../local/engines/process-identity.ts";
import type { Screen } from "../../../local/screen.ts";
import { createScreen } from "../../../local/screen.ts";
import { addressesOf, shownAddresses } from "../../../local/up/addresses.ts";
import type { EngineStarts, Stack } from "../../../local/up/engines.ts";
import { describeStack, engineStarts, findEngines } from "../../../local/up/engines.ts";
import type { PortName } from "../../../local/up/ports.ts";
import { defaultPorts, reservePorts } from "../../../local/up/ports.ts";
import { migrate, processUnits } from "../../../local/up/processes.ts";
import type { RunningStack } from "../../../local/up/running-stack.ts";
import type { Folder } from "../../../local/up/state-folder.ts";
import {
  folderOf,
  noteOwner,
  prepareFolder,
  readSecrets,
  takeFolder,
  wipe,
  writeOperatorFile,
  writeUpFile,
} from "../../../local/up/state-folder.ts";
import type { Supervisor } from "../../../local/up/supervisor.ts";
import { createSupervisor } from "../../../local/up/supervisor.ts";
import { keepWorkerToken, writeWorkerToken } from "../../../local/up/worker-token.ts";
import type { Detail } from "../cli-error.ts";
import { CliError } from "../cli-error.ts";
import { defaultStateDir } from "../clone.ts";
import { untilInterrupted } from "../interrupt.ts";
import { outliveReader } from "../show/terminal.ts";
import { withCheck } from "../usage/explain-usage.ts";

interface UpOptions {
  demo?: boolean;
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
/** Long enough for a busy machine, short enough for somebody who waits. */
const silenceMs = 30_000;

/** `automation up`: the whole stack on this machine, until Ctrl-C. */
export function registerUp(program: Command): void {
  const command = program
    .command("up")
    .description("run engines and processes on this machine, supervised, until Ctrl-C")
    .option("--demo", "also run the example Scrum service, and let it ask for a run")
    .option("--once", "stop when the demo run has ended; exit 0 when it COMPLETED (without --demo: stop when ready)")
    .option("--fresh", "begin with empty data; ports, and the keys of evidence and tokens, stay")
    .option("--new-keys", "with --fresh: make new keys, too; tokens end, and evidence of before is not this stack's")
    .option("--state <dir>", "folder of the stack; the clone's .automation unless told")
    .option("--json", "print JSON, one object a line");
  withCheck(command, upFaults).action(async (options: UpOptions) => {
    outliveReader(); // the stack stays
    const screen = createScreen(options.json === true, () => new Date());
    const hurry = new AbortController();
    await untilInterrupted(
      (signal) => up(options, screen, signal, hurry.signal),
      () => hurry.abort(),
    );
  });
}

/** Data that was signed is not kept without its keys. */
function upFaults({ fresh, newKeys }: UpOptions): Detail[] {
  if (!newKeys || fresh) return [];
  return [{ field: "--new-keys", rule: "needs --fresh", remedy: "give both, or neither" }];
}

/** @param hurry - kills what is still ending */
async function up(options: UpOptions, screen: Screen, signal: AbortSignal, hurry: AbortSignal): Promise<void> {
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
    const programs = await findEngines({ say, begin, signal });
    // Ports are chosen last: a build takes minutes, in which others may take them.
    const stack = await prepareStack(folder, options, screen, signal);
    const state = { ...describeStack(stack), dir: folder.dir };
    looking.end();
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
    await Promise.allSettled([starting]);
    await lock.release();
    screen.tell("stopped", "stopped");
  }
}

/** Engines side by side, what is stored once its engines are there, then the processes side by side. */
async function startAll(
  stack: Stack,
  starts: EngineStarts,
  supervisors: { engines: Supervisor; processes: Supervisor },
  screen: Screen,
  signal: AbortSignal,
): Promise<void> {
  const task = screen.begin("starting", "engines and processes");
  const awaited = new Set<string>();
  const tell = async (name: string, work: Promise<void>) => {
    const step = () => awaited.size > 0 && task.step(`waiting for ${[...awaited].join(", ")}`);
    awaited.add(name);
    step();
    await work;
    awaited.delete(name);
    step();
  };
  const engine = (name: keyof EngineStarts) => tell(name, supervisors.engines.run({ name, start: starts[name] }));
  const state = { ...describeStack(stack), dir: stack.folder.dir };
  try {
    await Promise.all([
      Promise.all([engine("postgres"), engine("kafka"), engine("s3")]).then(() =>
        tell("the migration", migrate(stack, signal)),
      ),
      engine("issuer").then(() => writeWorkerToken(state, stack.folder.workerToken, signal)),
      engine("temporal"),
    ]);
    await Promise.all(processUnits(stack).map((unit) => tell(unit.name, supervisors.processes.run(unit))));
  } finally {
    task.end();
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
  const stack = { folder, ports, secrets: readSecrets(folder), demo: options.demo === true };
  prepareFolder(folder);
  const scrumUrl = (port: number) => `http://127.0.0.1:${port}`;
  writeOperatorFile(folder, scrumUrl(ports.scrum), previous.scrum === undefined ? undefined : scrumUrl(previous.scrum));
  return stack;
}

/** Waits for work, but not beyond the signal. */
async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await Promise.race([
    work,
    new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true })),
  ]);
}

function tellReady(screen: Screen, stack: Stack, elapsedMs: number, members: { name: string; pid: number }[]): void {
  const state = describeStack(stack);
  const { secretAccessKey: _secret, ...s3 } = state.s3;
  const { api, kafka, temporal, issuer, scrum } = state;
  const seconds = (elapsedMs / 1000).toFixed(1);
  const addresses: [string, string][] = [
    ...Object.entries(shownAddresses(addressesOf(state))),
    ["state", `${stack.folder.upFile}, a log per process in ${stack.folder.dir}/logs`],
  ];
  const megabytes = (pids: number[]) => Math.round(pids.reduce((sum, pid) => sum + memoryBytesOf(pid), 0) / 1e6);
  const memory = [
    { process: "up", megabytes: megabytes([process.pid]) },
    ...members.map(({ name, pid }) => ({ process: name, megabytes: megabytes(familyOf(pid)) })),
  ];
  const total = memory.reduce((sum, { megabytes }) => sum + megabytes, 0);
  screen.tell(
    "ready",
    [
      `ready in ${seconds} s`,
      ...addresses.map(([name, address]) => `  ${name.padEnd(13)}${address}`),
      `memory ${total} MB: ${memory.map((part) => `${part.process} ${part.megabytes}`).join(", ")}`,
    ].join("\n"),
    { seconds: Number(seconds), pid: process.pid, api, kafka, temporal, s3, issuer, scrum, memory },
  );
}

/** Lets the demo ask for its run, then waits for Ctrl-C, unless told to end with the demo. */
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
  const { runDemo } = await import("./demo.ts");
  try {
    const { completed, reason } = await runDemo({ state, failing: false, json, signal, stackEnds });
    return completed ? undefined : `the demo run did not complete: ${reason ?? "no reason was given"}`;
  } catch (error) {
    return `the demo run did not complete: ${error instanceof Error ? error.message : String(error)}`;
  }
}
