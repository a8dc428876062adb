import { existsSync, readFileSync } from "node:fs";

import { dirname, join, resolve } from "node:path";
import { CliError } from "../../src/cli/cli-error.ts";
import { defaultStateDir } from "../../src/cli/clone.ts";

/** What `up.json` says. */
export interface UpState {
  /** Process of `automation up`. */
  pid: number;
  api: { url: string };
  /** `up` starts one of the two. */
  kafka?: { brokers: string[] };
  nats?: { servers: string[] };
  /** Superuser. */
  postgres: { url: string };
  temporal: { address: string; namespace: string; uiUrl: string };
  s3: { endpoint: string; region: string; bucket: string; accessKeyId: string; secretAccessKey: string };
  issuer: { url: string };
  /** Only with the demo. */
  scrum?: { url: string };
}

/** Every part of an `UpState` that must be there, and an example of it. */
const example: Required<Omit<UpState, "scrum" | "kafka" | "nats">> = {
  pid: 1,
  api: { url: "" },
  postgres: { url: "" },
  temporal: { address: "", namespace: "", uiUrl: "" },
  s3: { endpoint: "", region: "", bucket: "", accessKeyId: "", secretAccessKey: "" },
  issuer: { url: "" },
};

function hasShape(value: unknown, shape: unknown): boolean {
  if (typeof shape !== "object" || shape === null) return typeof value === typeof shape;
  if (Array.isArray(shape)) return Array.isArray(value);
  if (typeof value !== "object" || value === null) return false;
  const parts = new Map(Object.entries(value));
  return Object.entries(shape).every(([key, below]) => hasShape(parts.get(key), below));
}

/** A running local stack: its `up.json`, and the folder it lies in. */
export interface RunningStack extends UpState {
  dir: string;
}

/**
 * Finds the running stack: in `dir` when told, else in the nearest `.automation` upwards from `from`, else in the clone's.
 * @returns undefined when there is none
 * @throws CliError 3 when its `up.json` is there and its process is not; 2 when `up.json` is not what `up` writes
 */
export function findRunningStack(from: string, dir?: string): RunningStack | undefined {
  for (const candidate of dir === undefined ? [...statesUpwards(from), defaultStateDir] : [resolve(from, dir)]) {
    const state = readState(candidate);
    if (state === undefined) continue;
    if (!isAlive(state.pid))
      throw new CliError(3, `the stack in ${candidate} is not running; start it with \`automation up\``);
    return state;
  }
  return undefined;
}

/**
 * @throws CliError 3 when none is running
 */
export function requireRunningStack(from: string, dir?: string): RunningStack {
  const state = findRunningStack(from, dir);
  if (state === undefined) {
    const where = dir === undefined ? "" : ` in ${resolve(from, dir)}`;
    throw new CliError(3, `no local stack is running${where}; start one with \`automation up\``);
  }
  return state;
}

/** @returns the folder of the stack that is meant, whether it runs or not */
export function findStateDir(from: string, dir?: string): string {
  if (dir !== undefined) return resolve(from, dir);
  return statesUpwards(from).find((candidate) => existsSync(join(candidate, "up.lock"))) ?? defaultStateDir;
}

function statesUpwards(from: string): string[] {
  const folder = resolve(from);
  const above = dirname(folder);
  return [join(folder, ".automation"), ...(above === folder ? [] : statesUpwards(above))];
}

function readState(dir: string): RunningStack | undefined {
  const path = join(dir, "up.json");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG") return undefined;
    if (code === "EACCES")
      throw new CliError(4, `${path} belongs to another user; run this as the user who ran \`automation up\``);
    throw error;
  }
  const written = parseJson(text);
  if (!hasShape(written, example)) {
    throw new CliError(
      2,
      `${path} is not what \`automation up\` writes; stop the stack, remove the file and start again`,
    );
  }
  return { ...(written as UpState), dir };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
