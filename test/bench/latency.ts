import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, Connection } from "@temporalio/client";
import { automationRunType, workflowIdOf } from "../../src/drivers/temporal/contract.ts";
import { startOptionsOf } from "../../src/drivers/temporal/start-options.ts";
import { aRun } from "../support/worlds/workflow-world.ts";
import type { BenchWorld } from "./bench-world.ts";
import { tenant, untilCount } from "./bench-world.ts";
import { createRequestProducer, startDispatcher } from "./dispatcher-process.ts";

/** Milliseconds, one value per event. */
export interface Latencies {
  readonly perSecond: number;
  readonly rawStart: number[];
  readonly producedToAccepted: number[];
  /** To the start time that Temporal gives the execution. */
  readonly acceptedToStarted: number[];
  readonly producedToStarted: number[];
}

const seconds = 10;

/** Open loop: events at a fixed rate, without waiting for answers; first the bare client, then the whole way from the bus to the start. */
export async function benchLatency(world: BenchWorld, perSecond: number): Promise<Latencies> {
  const count = perSecond * seconds;
  const connection = await Connection.connect({ address: world.engines.temporal.address });
  const { workflow } = new Client({ connection, namespace: world.engines.temporal.namespace });
  const rawStart: number[] = [];
  await openLoop(perSecond, count, async () => {
    const began = performance.now();
    await workflow.start(automationRunType, startOptionsOf(aRun()));
    rawStart.push(performance.now() - began);
  });

  const producer = await createRequestProducer(world);
  const dispatcher = await startDispatcher(world, world.engines.temporal.address);
  const prefix = randomUUID();
  try {
    const started = `select count(*) from run_queue join runs using (tenant, run_id) where started_at is not null and event_id like '${prefix}-%'`;
    await producer.publish([`${prefix}-warm`]);
    await untilCount(world.superuser, started, 1);
    await openLoop(perSecond, count, (n) => producer.publish([`${prefix}-${n}`]));
    await untilCount(world.superuser, started, count + 1);
    const { rows } = await world.superuser.query<{ runId: string; producedAt: Date; acceptedAt: Date }>(
      `select run_id as "runId", event_time as "producedAt", received_at as "acceptedAt" from run_requests where event_id like $1 and event_id <> $2`,
      [`${prefix}-%`, `${prefix}-warm`],
    );
    const startedAt = new Map<string, number>();
    for await (const { workflowId, startTime } of workflow.list({ pageSize: 1_000 }))
      startedAt.set(workflowId, startTime.getTime());
    const producedToAccepted = rows.map((row) => row.acceptedAt.getTime() - row.producedAt.getTime());
    const acceptedToStarted = rows.map(
      (row) => (startedAt.get(workflowIdOf(tenant, row.runId, 1)) ?? Number.NaN) - row.acceptedAt.getTime(),
    );
    return {
      perSecond,
      rawStart,
      producedToAccepted,
      acceptedToStarted,
      producedToStarted: producedToAccepted.map((value, index) => value + (acceptedToStarted[index] ?? Number.NaN)),
    };
  } finally {
    await dispatcher.stop();
    await producer.close();
    await connection.close();
  }
}

async function openLoop(perSecond: number, count: number, work: (n: number) => Promise<void>): Promise<void> {
  const began = performance.now();
  const open: Promise<void>[] = [];
  for (let n = 0; n < count; n += 1) {
    await sleep(Math.max(0, began + (n * 1_000) / perSecond - performance.now()));
    open.push(work(n));
  }
  await Promise.all(open);
}
