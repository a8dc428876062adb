import type { RunEventJson } from "../../gen/automation/v1/run_event_pb.ts";
import type { Transaction } from "../../tenancy/transaction.ts";
import { laneOf, runEventTopic } from "../outbox/topics.ts";
import type { ChainedEvent, StreamHead } from "./chain-events.ts";

export interface RunStream extends StreamHead {
  readonly closed: boolean;
}

/** Locks the run's stream until the transaction ends; taken first by everything that appends. Undefined: no such run for the tenant. */
export async function lockStream(
  transaction: Transaction,
  run: { readonly tenant: string; readonly runId: string },
): Promise<RunStream | undefined> {
  const { rows } = await transaction.query<RunStream>(
    `select last_sequence as "lastSequence", last_hash as "lastHash", size_bytes as "sizeBytes", closed
     from run_streams where tenant = $1 and run_id = $2 for update`,
    [run.tenant, run.runId],
  );
  return rows[0];
}

/** The compare-and-set of a worker's report: a lower attempt of the generation than was heard before is too late. @returns whether this attempt may speak */
export async function raiseFence(
  transaction: Transaction,
  run: { readonly tenant: string; readonly runId: string },
  attempt: number,
): Promise<boolean> {
  const { rowCount } = await transaction.query(
    "update run_streams set fence = $3 where tenant = $1 and run_id = $2 and fence <= $3",
    [run.tenant, run.runId, attempt],
  );
  return rowCount === 1;
}

/** Those of the keys that the run's events have already. */
export async function findWriterKeys(
  transaction: Transaction,
  run: { readonly tenant: string; readonly runId: string; readonly day: string },
  keys: readonly string[],
): Promise<ReadonlySet<string>> {
  const { rows } = await transaction.query<{ key: string }>(
    "select writer_key as key from run_events where day = $1 and tenant = $2 and run_id = $3 and writer_key = any($4)",
    [run.day, run.tenant, run.runId, keys],
  );
  return new Set(rows.map(({ key }) => key));
}

/** Writes chained events, moves the stream's head and tells the relay; the caller holds the lock of `lockStream`. */
export async function appendEvents(
  transaction: Transaction,
  run: { readonly tenant: string; readonly runId: string; readonly day: string },
  events: readonly ChainedEvent[],
  head: StreamHead,
  close: boolean,
): Promise<void> {
  if (events.length === 0 && !close) return;
  await Promise.all([
    transaction.query(
      `insert into run_events (tenant, run_id, day, sequence, writer_key, at, hash, event)
       select $1, $2, $3, e.sequence, e."writerKey", (e.event->>'at')::timestamptz, e.hash, e.event
       from jsonb_to_recordset($4) as e(sequence bigint, "writerKey" text, hash text, event jsonb)`,
      [run.tenant, run.runId, run.day, JSON.stringify(events)],
    ),
    transaction.query(
      "update run_streams set last_sequence = $3, last_hash = $4, closed = $5, size_bytes = $6, appended_at = clock_timestamp() where tenant = $1 and run_id = $2",
      [run.tenant, run.runId, head.lastSequence, head.lastHash, close, head.sizeBytes],
    ),
    transaction.query(
      `insert into outbox (lane, kind, tenant, run_id, through_sequence, topic, key)
       values ($1, 'run_events', $2, $3::uuid, $4, $5, $3::uuid::text)`,
      [laneOf(run.runId), run.tenant, run.runId, head.lastSequence, runEventTopic],
    ),
  ]);
}

/** Events after a sequence, in order, at most `limit`. */
export async function readEvents(
  transaction: Transaction,
  run: { readonly tenant: string; readonly runId: string; readonly day: string },
  afterSequence: number,
  limit: number,
): Promise<RunEventJson[]> {
  const { rows } = await transaction.query<{ event: RunEventJson }>(
    `select event from run_events
     where day = $1 and tenant = $2 and run_id = $3 and sequence > $4 order by sequence limit $5`,
    [run.day, run.tenant, run.runId, afterSequence, limit],
  );
  return rows.map((row) => row.event);
}

/** The event of a writer's key. */
export async function findEvent(
  transaction: Transaction,
  run: { readonly tenant: string; readonly runId: string; readonly day: string },
  writerKey: string,
): Promise<RunEventJson | undefined> {
  const { rows } = await transaction.query<{ event: RunEventJson }>(
    "select event from run_events where day = $1 and tenant = $2 and run_id = $3 and writer_key = $4",
    [run.day, run.tenant, run.runId, writerKey],
  );
  return rows[0]?.event;
}
