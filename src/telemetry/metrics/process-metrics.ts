import type { Measured } from "../instruments.ts";
import { gauge } from "../instruments.ts";

const everyProcess: readonly Measured[] = ["api", "dispatcher", "relay", "worker-control", "worker-workspace", "check"];

const build = gauge({
  name: "automation.build_info",
  unit: "1",
  description: "1, with the process and the versions that run.",
  labels: ["process", "version", "node"],
  processes: everyProcess,
});

const config = gauge({
  name: "automation.config_info",
  unit: "1",
  description: "1, with the first 12 characters of the SHA-256 of the operator file that this replica has read.",
  labels: ["process", "digest"],
  processes: ["api", "dispatcher"],
});

const memory = gauge({
  name: "process.memory.usage.bytes",
  unit: "By",
  description: "Resident memory.",
  labels: [],
  processes: everyProcess,
});

const cpu = gauge({
  name: "process.cpu.time.seconds",
  unit: "s",
  description: "CPU time since the start, of all threads.",
  labels: ["mode"],
  processes: everyProcess,
});

const connections = gauge({
  name: "db.client.connection.count",
  unit: "{connection}",
  description: "Connections of the pool to Postgres: used, idle.",
  labels: ["state"],
  processes: ["api", "dispatcher", "relay"],
});

const waiting = gauge({
  name: "db.client.connection.pending_requests",
  unit: "{request}",
  description: "Queries that wait for a connection of the pool.",
  labels: [],
  processes: ["api", "dispatcher", "relay"],
});

const ready = gauge({
  name: "automation.ready",
  unit: "1",
  description: "1 when /readyz says that the part is well, else 0; a part that stands still with work to do is not.",
  labels: ["process", "part"],
  processes: everyProcess,
});

export function observeProcess(name: Measured, version: string): void {
  build(() => [{ value: 1, labels: { process: name, version, node: process.versions.node } }]);
  memory(() => [{ value: process.memoryUsage.rss(), labels: {} }]);
  cpu(() => {
    const { user, system } = process.cpuUsage();
    return [
      { value: user / 1e6, labels: { mode: "user" } },
      { value: system / 1e6, labels: { mode: "system" } },
    ];
  });
}

/** @param operator - the operator file, as it was read */
export const observeConfig = (name: Measured, { digest }: { readonly digest: string }): void =>
  config(() => [{ value: 1, labels: { process: name, digest } }]);

/** The parts of pg's Pool that are read. */
interface CountedPool {
  readonly totalCount: number;
  readonly idleCount: number;
  readonly waitingCount: number;
}

/** @param pools - counted together */
export function observePools(...pools: readonly CountedPool[]): void {
  const sum = (count: (pool: CountedPool) => number) => pools.reduce((total, pool) => total + count(pool), 0);
  connections(() => [
    { value: sum(({ totalCount, idleCount }) => totalCount - idleCount), labels: { state: "used" } },
    { value: sum(({ idleCount }) => idleCount), labels: { state: "idle" } },
  ]);
  waiting(() => [{ value: sum(({ waitingCount }) => waitingCount), labels: {} }]);
}

export function observeReadiness(name: Measured, check: () => Promise<Readonly<Record<string, true | string>>>): void {
  ready(async () =>
    Object.entries(await check()).map(([part, state]) => ({
      value: state === true ? 1 : 0,
      labels: { process: name, part },
    })),
  );
}
