import { setTimeout as sleep } from "node:timers/promises";
import { Client, Connection } from "@temporalio/client";
import { createReleaseRuns } from "../../src/dispatch/release-runs.ts";
import { claimRuns } from "../../src/dispatch/release-store.ts";
import type { RunToStart } from "../../src/dispatch/workflows.ts";
import { createInTransaction } from "../../src/postgres/in-tenant.ts";
import { automationRunType } from "../../src/temporal/contract.ts";
import { startOptionsOf } from "../../src/temporal/start-options.ts";
import { createTemporal } from "../../src/temporal/start-run.ts";
import { insertAdmittedRuns } from "../support/admitted-runs.ts";
import type { BenchWorld } from "./bench-world.ts";
import { silentLog, untilCount } from "./bench-world.ts";
import { show, spreadOf } from "./statistics.ts";

const perRound = 600;
const rounds = 5;
const unlimited = 1_000_000;

interface Round {
  readonly perSecond: number;
  /** CPU of this Node process, milliseconds per start. */
  readonly cpuMs: number;
}

/**
 * Starts per second: the bare client loop and the release loop take turns on one server, with the same search attributes, memo and payload.
 * No worker runs. The release loop also claims its rows and marks them.
 */
export async function benchStarts(world: BenchWorld): Promise<{ rows: string[][]; release: Round[]; raw: Round[] }> {
  const inTransaction = createInTransaction(world.database.poolOf("dispatcher"));
  const connection = await Connection.connect({ address: world.engines.temporal.address });
  const { workflow } = new Client({ connection, namespace: world.engines.temporal.namespace });
  const temporal = createTemporal({ ...world.engines.temporal, now: () => new Date() });

  const raw = async (inFlight: number): Promise<Round> => {
    await insertAdmittedRuns(world.superuser, perRound);
    const runs: RunToStart[] = await inTransaction((transaction) =>
      claimRuns(transaction, { maxUnbegun: unlimited, atMost: perRound }),
    );
    const round = await measured(async () => {
      const next = runs.values();
      await Promise.all(
        Array.from({ length: inFlight }, async () => {
          for (const run of next) await workflow.start(automationRunType, startOptionsOf(run, new Date()));
        }),
      );
    });
    await world.superuser.query("truncate runs, run_streams");
    return round;
  };

  const release = async (): Promise<Round> => {
    await insertAdmittedRuns(world.superuser, perRound);
    const stop = new AbortController();
    const loop = createReleaseRuns({ inTransaction, workflows: temporal, maxUnbegun: unlimited, log: silentLog });
    let running: Promise<void> | undefined;
    const round = await measured(async () => {
      running = loop.run(stop.signal);
      await untilCount(world.superuser, "select count(*) from runs where started_at is not null", perRound);
    });
    stop.abort();
    await running;
    await world.superuser.query("truncate runs, run_streams");
    return round;
  };

  try {
    const flights = [32, 128, 256];
    await raw(128); // warms server and client up
    await release();
    const results = { raw: new Map<number, Round[]>(flights.map((each) => [each, []])), release: [] as Round[] };
    for (let n = 0; n < rounds; n += 1) {
      for (const inFlight of flights) {
        results.raw.get(inFlight)?.push(await raw(inFlight));
        await sleep(500); // the server settles
        results.release.push(await release());
        await sleep(500);
      }
    }
    const released = spreadOf(results.release.map(({ perSecond }) => perSecond));
    const cpuOf = (list: readonly Round[]) => show(spreadOf(list.map(({ cpuMs }) => cpuMs)), 2);
    const rows = flights.map((inFlight) => {
      const list = results.raw.get(inFlight) ?? [];
      const rate = spreadOf(list.map(({ perSecond }) => perSecond));
      const ratio = (released.median / rate.median).toFixed(2);
      return [`client.workflow.start, ${inFlight} in flight`, show(rate), cpuOf(list), ratio];
    });
    rows.push(["release loop", show(released), cpuOf(results.release), ""]);
    return { rows, release: results.release, raw: results.raw.get(128) ?? [] };
  } finally {
    await Promise.all([connection.close(), temporal.close()]);
  }
}

async function measured(work: () => Promise<void>): Promise<Round> {
  const cpu = process.cpuUsage();
  const began = performance.now();
  await work();
  const seconds = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: perRound / seconds, cpuMs: (user + system) / 1_000 / perRound };
}
