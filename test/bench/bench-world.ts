import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { pino } from "pino";
import { ensureTopics } from "../../src/drivers/kafka/ensure-topics.ts";
import { createInScope } from "../../src/drivers/postgres/in-scope.ts";
import { requestTopic } from "../../src/runs/outbox/topics.ts";
import { declare } from "../support/builders/declared.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";
import type { TestEngines } from "../support/engines/engines.ts";
import { startEngines } from "../support/engines/engines.ts";

export const tenant = "acme";
export const source = "urn:bench";
export const eventType = "automation.run.requested.v1";
export const silentLog = pino({ level: "silent" });

/** Engines of its own, a migrated database, a tenant with a definition and a profile, and the request topic with 12 partitions. */
export interface BenchWorld {
  readonly engines: TestEngines;
  readonly database: TestDatabase;
  readonly superuser: pg.Pool;
  stop(): Promise<void>;
}

export async function startBenchWorld(): Promise<BenchWorld> {
  const engines = await startEngines({ postgres: true, kafka: true, temporal: true });
  const database = await createDatabase(engines.postgres.url);
  const superuser = new pg.Pool({ connectionString: database.superuserUrl, max: 4 });
  superuser.on("error", () => undefined); // the server may end a connection before the pool has
  await declare(createInScope(database.poolOf("api")), tenant);
  await ensureTopics(engines.kafka.brokers, [{ topic: requestTopic, partitions: 12 }], 1);
  return {
    engines,
    database,
    superuser,
    async stop() {
      await Promise.allSettled([superuser.end(), database.close()]);
      await engines.stop();
    },
  };
}

/** Waits until a count reaches a number; throws after two minutes. */
export async function untilCount(superuser: pg.Pool, sql: string, atLeast: number, lookMs = 50): Promise<void> {
  const limit = AbortSignal.timeout(120_000);
  for (;;) {
    const { rows } = await superuser.query<{ count: number }>(sql);
    if (Number(rows[0]?.count) >= atLeast) return;
    await sleep(lookMs, undefined, { signal: limit });
  }
}
