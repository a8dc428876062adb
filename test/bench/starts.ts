import { setTimeout as sleep } from "node:timers/promises";
import { Client, Connection } from "@temporalio/client";
import { findUnbegun } from "../../src/admission/admit-store.ts";
import { claimRuns } from "../../src/admission/claim-runs.ts";
import { createReleaseRuns } from "../../src/admission/release-runs.ts";
import { createInTransaction } from "../../src/drivers/postgres/in-scope.ts";
import { automationRunType } from "../../src/drivers/temporal/contract.ts";
import { startOptionsOf } from "../../src/drivers/temporal/start-options.ts";
import { createTemporal } from "../../src/drivers/temporal/workflow-client.ts";
import { insertQueuedRuns } from "../support/builders/queued-runs.ts";
import type { BenchWorld } from "./bench-world.ts";
import { silentLog, untilCount } from "./bench-world.ts";

const perRound = 400;
const rounds = 5;
const unlimited = 1_000_000;

export const flights = [32, 128, 256];
const settleMs = 500;
const emptied = "truncate runs, run_queue, queue_lanes, queue_lane_changes, run_streams, run_events, outbox";

export interface Round {
  readonly perSecond: number;
  /** CPU of this Node process, milliseconds per start. */
  readonly cpuMs: number;
}

/** Two rounds, one right after the other, so that a disturbance of the machine affects both. */
export interface Pair {
  readonly inFlight: number;
  readonly raw: Round;
  readonly release: Round;
}

/**
 * Starts per second: the bare client loop and the release loop take turns on one server, with equal search attributes, memo and payload.
 * No worker runs. The release loop also claims its runs, admits them and marks them.
 */
export async function benchStarts(world: BenchWorld): Promise<Pair[]> {
  const inTransaction = createInTransaction(world.database.poolOf("dispatcher"));
  const connection = await Connection.connect({ address: world.engines.temporal.address });
  const { workflow } = new Client({ connection, namespace: world.engines.temporal.namespace });
  const temporal = createTemporal({ ...world.engines.temporal });

  const raw = async (inFlight: number): Promise<Round> => {
    await insertQueuedRuns(world.superuser, perRound);
    const toStart = await inTransaction(async (transaction) =>
      findUnbegun(
        transaction,
        await claimRuns(transaction, { maxUnbegun: unlimited, atMost: perRound, weightOf: () => 1 }),
      ),
    );
    const round = await measured(async () => {
      const next = toStart.values();
      await Promise.all(
        Array.from({ length: inFlight }, async () => {
          for (const run of next) await workflow.start(automationRunType, startOptionsOf(run));
        }),
      );
    });
    await world.superuser.query(emptied);
    return round;
  };

  const release = async (): Promise<Round> => {
    await insertQueuedRuns(world.superuser, perRound);
    const stop = new AbortController();
    const loop = createReleaseRuns({
      inTransaction,
      workflows: temporal,
      maxUnbegun: unlimited,
      weightOf: () => 1,
      refusedSeconds: 60,
      onAdmitted: () => undefined,
      now: () => new Date(),
      log: silentLog,
    });
    let running: Promise<void> | undefined;
    const round = await measured(async () => {
      running = loop.run(stop.signal);
      await untilCount(world.superuser, "select count(*) from run_queue where started_at is not null", perRound);
    });
    stop.abort();
    await running;
    await world.superuser.query(emptied);
    return round;
  };

  try {
    await raw(128); // warms server and client up
    await release();
    const pairs: Pair[] = [];
    for (let n = 0; n < rounds; n += 1) {
      console.error(`starts: round ${n + 1} of ${rounds}`);
      for (const inFlight of flights) {
        // who goes first changes, so that neither always meets the larger database
        const [first, second] = n % 2 === 0 ? [() => raw(inFlight), release] : [release, () => raw(inFlight)];
        const one = await first();
        await sleep(settleMs);
        const other = await second();
        await sleep(settleMs);
        pairs.push({ inFlight, raw: n % 2 === 0 ? one : other, release: n % 2 === 0 ? other : one });
      }
    }
    return pairs;
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
