import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { ProcessIdentity } from "../../../local/engines/process-identity.ts";
import type { UpState } from "../../../local/up/running-stack.ts";

export const program = new URL("../../../src/cli/automation.ts", import.meta.url).pathname;

export interface UpEvent {
  event: string;
  message: string;
  [fact: string]: unknown;
}

export interface RunningUp {
  process: ChildProcess;
  events: UpEvent[];
  /** Waits for the next event, past or to come, that the test accepts. */
  until(accept: (event: UpEvent) => boolean): Promise<UpEvent>;
  exited: Promise<number | null>;
}

/** Starts `automation up --json` with these arguments. */
export function startUp(...args: string[]): RunningUp {
  const child = spawn(process.execPath, [program, "up", "--json", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
  const events: UpEvent[] = [];
  const listeners = new Set<() => void>();
  let complaint = "";
  child.stderr.on("data", (chunk) => {
    complaint += chunk;
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    events.push(JSON.parse(line));
    for (const listener of listeners) listener();
  });
  return {
    process: child,
    events,
    exited,
    until: (accept) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = events.find(accept);
          if (found === undefined) return;
          listeners.delete(look);
          resolve(found);
        };
        listeners.add(look);
        void exited.then((code) =>
          reject(new Error(`up ended with ${code}: ${complaint}${JSON.stringify(events.slice(-5))}`)),
        );
        look();
      }),
  };
}

/** Runs one command of the program to its end. */
export async function runCli(
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [program, ...args], { ...options, stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    output.stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    output.stderr += chunk;
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, ...output };
}

export function readUpFile(dir: string): UpState {
  return JSON.parse(readFileSync(join(dir, "up.json"), "utf8"));
}

/** The processes that `up` has noted as its own, by name. */
export function notedProcesses(dir: string): Map<string, ProcessIdentity> {
  const pids = join(dir, "pids");
  return new Map(
    readdirSync(pids).map((file) => [file.replace(".json", ""), JSON.parse(readFileSync(join(pids, file), "utf8"))]),
  );
}
