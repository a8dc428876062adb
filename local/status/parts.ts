import { statSync } from "node:fs";
import { loopback } from "../engines/engine.ts";
import { readNote } from "../engines/process.ts";
import { lives } from "../engines/process-identity.ts";
import { acceptsConnections } from "../engines/start.ts";
import type { PortName, Ports } from "../up/ports.ts";
import { readPorts } from "../up/ports.ts";
import type { RunningStack } from "../up/running-stack.ts";
import { folderOf } from "../up/state-folder.ts";
import { engineVersion } from "./engine-version.ts";

/** A process or engine of a stack, as it is now. */
export interface Part {
  readonly name: string;
  /** `ready`, `degraded` with reasons, `down` when it does not run. */
  readonly state: "ready" | "degraded" | "down";
  readonly pid?: number;
  /** Of this process, ISO 8601. */
  readonly since?: string;
  readonly address: string;
  readonly version?: string;
  /** What is not there, and why. */
  readonly reasons: readonly string[];
}

const lookLimitMs = 5_000;
const engines: readonly PortName[] = ["temporal", "kafka", "nats", "postgres", "s3"];
const processes: readonly PortName[] = ["api", "dispatcher", "relay", "worker", "workspace", "issuer"];

/** Asks every process and engine of a stack how it is, all at once; each answers within 5 s or is said not to. */
export async function readParts(state: RunningStack): Promise<Part[]> {
  const folder = folderOf(state.dir);
  const ports = readPorts(folder.portsFile);
  const names = [
    ...processes,
    ...(state.scrum === undefined ? [] : (["scrum"] as const)),
    ...engines.filter((name) => (name !== "kafka" && name !== "nats") || state[name] !== undefined),
  ];
  return await Promise.all(names.map((name) => readPart(name, ports, folder)));
}

async function readPart(name: PortName, ports: Ports, folder: ReturnType<typeof folderOf>): Promise<Part> {
  const address = `${loopback}:${ports[name]}`;
  const note = `${folder.pids}/${name}.json`;
  const identity = readNote(note);
  if (identity === undefined || !lives(identity))
    return { name, state: "down", address, reasons: [`it does not run; \`automation logs ${name}\` may say why`] };
  const { pid } = identity;
  const isEngine = engines.includes(name);
  const at = { pid, dataDir: folder.data(""), temporalHttp: `${loopback}:${ports.temporalHttp}` };
  const [reasons, version] = await Promise.all([
    isEngine ? reasonsOfEngine(ports[name]) : reasonsOfProcess(`http://${address}/readyz`),
    isEngine ? engineVersion(name, at) : undefined,
  ]);
  const since = statSync(note, { throwIfNoEntry: false })?.mtime.toISOString();
  return { name, state: reasons.length === 0 ? "ready" : "degraded", pid, since, address, version, reasons };
}

async function reasonsOfEngine(port: number): Promise<string[]> {
  return (await acceptsConnections(loopback, port)) ? [] : ["it takes no connections"];
}

/** @returns what `/readyz` says is not there */
async function reasonsOfProcess(url: string): Promise<string[]> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(lookLimitMs) });
    const parts: unknown = await answer.json();
    if (answer.ok) return [];
    const named = Object.entries(typeof parts === "object" && parts !== null ? parts : {})
      .filter(([, said]) => said !== true)
      .map(([part, said]) => `${part}: ${said === false ? "not there" : String(said)}`);
    return named.length === 0 ? [`it answered ${answer.status}`] : named;
  } catch {
    return [`it does not answer ${url} within ${lookLimitMs / 1000} s`];
  }
}
