import { randomUUID } from "node:crypto";
import { inject } from "vitest";
import type { TestEngines, WantedEngines } from "./engines.ts";
import { startEngines } from "./engines.ts";

/** Engines for a test that stops none of them. */
export interface BorrowedEngines extends Omit<TestEngines, "postgres" | "s3"> {
  readonly postgres: Pick<TestEngines["postgres"], "url">;
  readonly s3: Omit<TestEngines["s3"], "engine">;
}

/**
 * Like `startEngines`, but Postgres and S3 are the project's, which are running: make a database of your own with `createDatabase`; the bucket is yours.
 * Kafka and Temporal are started for the caller, since topics and task queues have fixed names.
 */
export async function borrowEngines(wanted: WantedEngines): Promise<BorrowedEngines> {
  const { postgresUrl, s3 } = inject("projectEngines");
  const own = await startEngines({ kafka: wanted.kafka, nats: wanted.nats, temporal: wanted.temporal });
  return {
    get kafka() {
      return own.kafka;
    },
    get nats() {
      return own.nats;
    },
    get temporal() {
      return own.temporal;
    },
    dir: own.dir,
    stop: own.stop,
    postgres: { url: postgresUrl },
    s3: { ...s3, credentials: () => s3, bucket: `test-${randomUUID()}` },
  };
}
