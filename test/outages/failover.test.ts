import { execFileSync } from "node:child_process";
import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { Engine } from "../../local/engines/engine.ts";
import { loopback } from "../../local/engines/engine.ts";
import { findPostgres, postgresSuperuser, postgresUrl, startPostgres } from "../../local/engines/postgres/postgres.ts";
import { freePorts } from "../support/engines/free-ports.ts";
import type { TcpProxy } from "../support/engines/tcp-proxy.ts";
import { startTcpProxy } from "../support/engines/tcp-proxy.ts";
import { faultsOf } from "../support/probes/faults-of.ts";
import type { PairsWorld } from "../support/worlds/pairs-world.ts";
import { startPairsWorld } from "../support/worlds/pairs-world.ts";
import { startTraffic } from "../support/worlds/traffic.ts";

/** The primary of Postgres dies under traffic, and its synchronous standby takes its place and address. */
const patience = { timeout: 120_000, interval: 100 };
let world: PairsWorld;
let promoted: Promise<Engine> | undefined;
let address: TcpProxy | undefined;
const end = new AbortController();

beforeAll(async () => {
  world = await startPairsWorld(AbortSignal.timeout(900_000));
}, 300_000);
afterAll(async () => {
  end.abort();
  await world?.close();
  await address?.close();
  await promoted?.then((engine) => engine.stop()).catch(() => undefined);
});

it("a standby that is promoted has all that was acknowledged, and every process goes on with it (F12)", async () => {
  const standby = await startStandby();
  const traffic = startTraffic(world);
  await ended(5);
  const before = await endedCount();
  process.kill(world.stack.engines.postgres?.pid() ?? 0, "SIGKILL");
  await standby.query("select pg_promote()");
  await vi.waitFor(async () => {
    address = await startTcpProxy([standby.port], world.stack.ports.postgres);
  }, patience);
  await ended(before + 5);
  await standby.end();
  const asked = await traffic.end();
  await ended(asked.length);
  expect(await faultsOf(world, asked)).toEqual([]);
}, 400_000);

/** Copies the primary while it runs, and lets the copy follow it; from then on no commit is acknowledged that the copy does not have. */
async function startStandby(): Promise<pg.Client> {
  const { stack, superuser } = world;
  const [port = 0] = await freePorts(1);
  const dir = join(stack.state.dir, "standby");
  const data = join(dir, "data");
  const primary = await superuser.connect();
  await primary.query("select pg_backup_start('standby', true)");
  execFileSync("cp", ["-a", stack.folder.data("postgres"), dir]);
  const { rows } = await primary.query<{ labelfile: string }>("select labelfile from pg_backup_stop()");
  primary.release();
  writeFileSync(join(data, "backup_label"), rows[0]?.labelfile ?? "");
  writeFileSync(join(data, "standby.signal"), "");
  rmSync(join(data, "postmaster.pid"));
  const password = stack.secrets.superuser;
  const upstream = `host=${loopback} port=${stack.ports.postgres} user=${postgresSuperuser} password=${password}`;
  appendFileSync(join(data, "postgresql.auto.conf"), `primary_conninfo = '${upstream}'\n`);
  const logFile = stack.folder.log("standby");
  promoted = startPostgres(findPostgres(), {
    ...{ dataDir: dir, logFile, pidsDir: join(dir, "pids"), port, password, signal: end.signal },
  }); // ready when it is promoted
  promoted.catch(() => undefined); // told by what is asked of it
  const replication = async () => (await superuser.query("select state, sync_state from pg_stat_replication")).rows;
  await vi.waitFor(async () => expect(await replication()).toMatchObject([{ state: "streaming" }]), patience);
  await superuser.query("alter system set synchronous_standby_names = '*'");
  await superuser.query("select pg_reload_conf()");
  await vi.waitFor(async () => expect(await replication()).toMatchObject([{ sync_state: "sync" }]), patience);
  const standby = new pg.Client({ connectionString: postgresUrl(`${loopback}:${port}`, postgresSuperuser, password) });
  await standby.connect();
  return standby;
}

const endedCount = (): Promise<number> =>
  vi.waitFor(async () => {
    const { rows } = await world.superuser.query("select count(*)::int as n from runs where ended_at is not null");
    return rows[0].n;
  }, patience);
const ended = (count: number) =>
  vi.waitFor(async () => expect(await endedCount()).toBeGreaterThanOrEqual(count), patience);
