import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CliError } from "../../src/cli/cli-error.ts";
import { cacheDir, makeCacheFolder } from "../engines/cache.ts";
import { lockFile } from "../engines/file-lock.ts";
import { isFree } from "../engines/ports.ts";
import type { ProcessIdentity } from "../engines/process-identity.ts";
import { identify, lives } from "../engines/process-identity.ts";

export const defaultPorts = {
  api: 8080,
  dispatcher: 8081,
  relay: 8082,
  worker: 8083,
  workspace: 8084,
  apiHealth: 8085,
  traces: 4318,
  issuer: 8090,
  scrum: 8091,
  temporal: 7233,
  temporalHttp: 7243,
  temporalUi: 8233,
  kafka: 9092,
  kafkaController: 9093,
  nats: 4222,
  postgres: 5432,
  s3: 7070,
};

export type PortName = keyof typeof defaultPorts;
export type Ports = Record<PortName, number>;

const searched = 500;

/**
 * Chooses a port for each name: the one it had last time, else its default, else the next free one.
 * @param free - whether nobody has it
 * @throws CliError 1 when 500 in a row are taken
 */
export async function choosePorts(previous: Partial<Ports>, free: (port: number) => Promise<boolean>): Promise<Ports> {
  const ports = { ...defaultPorts };
  const chosen = new Set<number>();
  const names = Object.keys(defaultPorts) as PortName[];
  for (const name of names) {
    const before = previous[name];
    const candidates = Array.from({ length: searched }, (_, step) => defaultPorts[name] + step);
    if (before !== undefined) candidates.unshift(before);
    const port = await firstOf(candidates, async (candidate) => !chosen.has(candidate) && (await free(candidate)));
    if (port === undefined) {
      throw new CliError(
        1,
        `no port for ${name}: ${defaultPorts[name]} to ${defaultPorts[name] + searched - 1} are taken; free one and start again`,
      );
    }
    chosen.add(port);
    ports[name] = port;
  }
  return ports;
}

async function firstOf(candidates: number[], accept: (port: number) => Promise<boolean>): Promise<number | undefined> {
  for (const candidate of candidates) if (await accept(candidate)) return candidate;
  return undefined;
}

/**
 * Chooses ports and reserves them on this machine, so that two stacks that start at once don't choose the same.
 * @param file - where this state keeps its ports between starts
 * @returns the ports, and those of the last start
 */
export async function reservePorts(
  file: string,
  signal: AbortSignal,
): Promise<{ ports: Ports; previous: Partial<Ports> }> {
  const registry = join(cacheDir(), "ports.json");
  const lock = await lockFile(join(makeCacheFolder("locks"), "ports.lock"), { wait: true, signal });
  try {
    const others = readRecord<ProcessIdentity>(registry).filter(
      ([, owner]) => lives(owner) && owner.pid !== process.pid,
    );
    const taken = new Set(others.map(([port]) => Number(port)));
    const previous: Partial<Ports> = Object.fromEntries(readRecord<number>(file));
    const ports = await choosePorts(previous, async (port) => !taken.has(port) && (await isFree(port)));
    const self = identify(process.pid);
    writeWhole(registry, Object.fromEntries([...others, ...Object.values(ports).map((port) => [port, self])]));
    writeWhole(file, ports);
    return { ports, previous };
  } finally {
    await lock?.release();
  }
}

/** @returns the ports that a stack has noted */
export function readPorts(file: string): Ports {
  return { ...defaultPorts, ...Object.fromEntries(readRecord<number>(file)) };
}

function readRecord<T>(path: string): [string, T][] {
  if (!existsSync(path)) return [];
  try {
    return Object.entries(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return []; // Only a preference; it is written anew.
  }
}

/** Writes JSON atomically, readable by its owner only. */
export function writeWhole(path: string, value: unknown): void {
  mkdirSync(join(path, ".."), { recursive: true });
  const text = typeof value === "string" ? value : `${JSON.stringify(value, undefined, 2)}\n`;
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
