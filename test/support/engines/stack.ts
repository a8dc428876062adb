import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { UpState } from "../../../local/up/running-stack.ts";
import { folderOf, wipe } from "../../../local/up/state-folder.ts";

export const clone = resolve(import.meta.dirname, "../../..");
const program = join(clone, "src", "cli", "automation.ts");

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program with arguments, as a user without a terminal does. */
export function automation(...args: string[]): Promise<Ended> {
  return ended(spawn(process.execPath, [program, ...args], { cwd: clone, env: plainEnvironment(), stdio: "pipe" }));
}

/** Runs lines in a shell in a clone, as somebody who copies them there, until one fails. */
export function shell(lines: string, folder = clone): Promise<Ended> {
  const argv = ["-e", "-o", "pipefail", "-c", lines];
  return ended(spawn("bash", argv, { cwd: folder, env: plainEnvironment(), stdio: "pipe" }));
}

/** @returns the objects of a `--json` output, one a line */
export function objects<T = Record<string, unknown>>(text: string): T[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line): T => JSON.parse(line));
}

export interface ToldEvent {
  readonly event: string;
  readonly message: string;
  readonly [fact: string]: unknown;
}

export interface RunningStack {
  readonly dir: string;
  /** All that `up --json` has told. */
  readonly told: readonly ToldEvent[];
  /** What `up.json` says. */
  readonly state: Pick<UpState, "api" | "kafka">;
  /** Ctrl-C. @returns the exit code of `up` */
  stop(): Promise<number | null>;
}

/** @throws Error for a stack whose bus is NATS */
export function brokersOf({ kafka }: Pick<UpState, "kafka">): string[] {
  if (kafka === undefined) throw new Error("the stack has no Kafka");
  return kafka.brokers;
}

export const newStateDir = (): string => mkdtempSync(join(tmpdir(), "automation-e2e-"));

/** Removes a stack's folder, and its run area with it; the stack has ended. */
export function removeStateDir(dir: string): void {
  wipe(folderOf(dir), { newKeys: true });
  rmSync(dir, { recursive: true, force: true });
}

/** Starts `automation up --json` and waits until it runs, and the demo has ended if it was asked for. */
export const startStack = (dir: string, ...args: string[]): Promise<RunningStack> =>
  start(dir, clone, [process.execPath, program, "up", "--state", dir, "--json", ...args]);

/** The same by what `npm start` runs in another clone, with its state where it lies unless told. */
export const startCloneOf = (folder: string): Promise<RunningStack> =>
  start(join(folder, ".automation"), folder, ["node", "src/cli/automation.mjs", "up", "--demo", "--json"]);

async function start(dir: string, cwd: string, [command = "", ...args]: readonly string[]): Promise<RunningStack> {
  const child = spawn(command, args, { cwd, env: plainEnvironment(), stdio: ["ignore", "pipe", "pipe"] });
  const told: ToldEvent[] = [];
  let errors = "";
  child.stderr.on("data", (chunk) => (errors += chunk));
  const exited = new Promise<number | null>((done) => child.once("exit", (code) => done(code)));
  const lines = createInterface({ input: child.stdout });
  const running = new Promise<void>((done) => {
    lines.on("line", (line) => {
      const event: ToldEvent = JSON.parse(line);
      told.push(event);
      if (event.event === "running") done();
    });
  });
  const failed = exited.then((code) => {
    const last = told.slice(-5).map(({ message }) => message);
    throw new Error(`up ended with ${code}: ${[...last, errors].join("\n")}`);
  });
  await Promise.race([running, failed]);
  failed.catch(() => {});
  return {
    dir,
    told,
    state: JSON.parse(readFileSync(join(dir, "up.json"), "utf8")),
    stop: () => {
      child.kill("SIGINT");
      return exited;
    },
  };
}

/** As a new user has it: no colour is forced on, no scope is preset, no package's programs are in the path, and npx installs nothing unasked. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(AUTOMATION_|FORCE_COLOR$|NO_COLOR$|npm_)/.test(name));
  const path = (process.env.PATH ?? "").split(delimiter).filter((folder) => !folder.endsWith("node_modules/.bin"));
  return { ...Object.fromEntries(kept), PATH: path.join(delimiter), npm_config_yes: "false" };
}

function ended(child: ChildProcess): Promise<Ended> {
  const output = { stdout: "", stderr: "" };
  child.stdin?.end();
  child.stdout?.on("data", (chunk) => (output.stdout += chunk));
  child.stderr?.on("data", (chunk) => (output.stderr += chunk));
  return new Promise((done, fail) => {
    child.once("error", fail);
    child.once("close", (code) => done({ code, ...output }));
  });
}
