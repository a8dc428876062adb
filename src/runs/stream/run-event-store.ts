import type { RunEventJson } from "../../gen/automation/v1/run_event_pb.ts";
import type { Transaction } from "../../tenancy/transaction.ts";
import { insertPointers } from "../outbox/outbox-store.ts";
import { laneOf } from "../outbox/topics.ts";
import { isEnded } from "../run-status.ts";
import type { RunRow } from "../run-store.ts";
import type { ChainedEvent, StreamHead } from "./chain-events.ts";

export interface RunStream extends StreamHead {
  readonly closed: boolean;
}

/** Locks the run's stream until the transaction ends; every writer of events does so first. Undefined: the bound scope has no such run. */
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

/** Locks the streams of many runs, as `lockStream` does; all callers lock in the order of tenant and run, which prevents deadlocks. */
export async function lockStreams(
  transaction: Transaction,
  runs: readonly { readonly tenant: string; readonly runId: string }[],
): Promise<ReadonlyMap<string, StreamHead>> {
  const { rows } = await transaction.query<StreamHead & { runId: string }>(
    `select s.run_id as "runId", s.last_sequence as "lastSequence", s.last_hash as "lastHash", s.size_bytes as "sizeBytes"
     from unnest($1::text[], $2::uuid[]) as wanted (tenant, run_id) join run_streams as s on s.tenant = wanted.tenant and s.run_id = wanted.run_id
     order by s.tenant, s.run_id for update of s`,
    [runs.map(({ tenant }) => tenant), runs.map(({ runId }) => runId)],
  );
  return new Map(rows.map(({ runId, ...head }) => [runId, head]));
}

/** The compare-and-set of a worker's report: an attempt lower than the last reporting one is too late. @returns whether this attempt may report */
export async function raiseFence(
  transaction: Transaction,
  run: { readonly tenant: string; readonly runId: string },
  heard: { readonly generation: number; readonly segment: number; readonly attempt: number },
): Promise<boolean> {
  const { rowCount } = await transaction.query(
    "update run_streams set fence = $3::int[] where tenant = $1 and run_id = $2 and fence <= $3::int[]",
    [run.tenant, run.runId, [heard.generation, heard.segment, heard.attempt]],
  );
  return rowCount === 1;
}

/** Which of these writer keys the run's events have already. */
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

/** The next events of one run, and the head of its stream after them. */
export interface StreamAddition {
  readonly run: Pick<RunRow, "tenant" | "org" | "runId" | "day" | "status">;
  readonly events: readonly ChainedEvent[];
  readonly head: StreamHead;
}

/** Creates the streams of new runs with their first events, which are then published. */
export async function beginStreams(transaction: Transaction, additions: readonly StreamAddition[]): Promise<void> {
  await transaction.query(
    `${eventsAndPointers}
     insert into run_streams (tenant, org, run_id, last_sequence, last_hash, size_bytes)
     select s.tenant, s.org, s."runId", s."lastSequence", s."lastHash", s."sizeBytes" from streams as s`,
    rowsOf(additions),
  );
}

/**
 * Appends events to the streams of any number of runs, one addition per run; they are then published. The caller holds the locks of the streams.
 * An addition that ends its run closes the stream.
 */
export async function appendEvents(transaction: Transaction, additions: readonly StreamAddition[]): Promise<void> {
  await transaction.query(
    `${eventsAndPointers}
     update run_streams as r set last_sequence = s."lastSequence", last_hash = s."lastHash", size_bytes = s."sizeBytes", closed = s.closed, appended_at = clock_timestamp()
     from streams as s where r.tenant = s.tenant and r.run_id = s."runId"`,
    rowsOf(additions),
  );
}

/** Inserts the events, and the outbox rows that get them published; both statements begin so, since many small statements cost more than one. */
const eventsAndPointers = `
  with streams as (
    select * from jsonb_to_recordset($2)
      as s(tenant text, org text, "runId" uuid, "lastSequence" bigint, "lastHash" text, "sizeBytes" bigint, closed boolean, lane smallint)
  ), events as (
    insert into run_events (tenant, org, run_id, day, sequence, writer_key, at, hash, event)
    select e.tenant, e.org, e."runId", e.day, e.sequence, e."writerKey", (e.event->>'at')::timestamptz, e.hash, e.event
    from jsonb_to_recordset($1) as e(tenant text, org text, "runId" uuid, day date, sequence bigint, "writerKey" text, hash text, event jsonb)
  ), pointers as (
    ${insertPointers("streams")}
  )`;

const rowsOf = (additions: readonly StreamAddition[]): string[] => [
  JSON.stringify(
    additions.flatMap(({ run: { tenant, org, runId, day }, events }) =>
      events.map((event) => ({ tenant, org, runId, day, ...event })),
    ),
  ),
  JSON.stringify(
    additions.map(({ run: { tenant, org, runId, status }, head }) => {
      return { tenant, org, runId, ...head, closed: isEnded(status), lane: laneOf(runId) };
    }),
  ),
];

/** The last sequence of each of these runs, of every org that is bound. */
export async function readHeads(
  transaction: Transaction,
  tenant: string,
  runIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await transaction.query<{ runId: string; last: number }>(
    `select run_id as "runId", last_sequence as last from run_streams where tenant = $1 and run_id = any($2::uuid[])`,
    [tenant, runIds],
  );
  return new Map(rows.map(({ runId, last }) => [runId, last]));
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
