import type { Transaction } from "../../tenancy/transaction.ts";
import type { BusRecord } from "./bus-record.ts";
import type { HeldLane } from "./lane-lease-store.ts";
import { laneColumns, renewal } from "./lane-lease-store.ts";
import { laneOf, runEventTopic } from "./topics.ts";

/** A row of the outbox: a pointer to events of a run, or a complete record. */
export interface OutboxRow {
  readonly id: number;
  readonly kind: "run_events" | "record";
  readonly tenant: string | null;
  readonly runId: string | null;
  readonly throughSequence: number | null;
  readonly topic: string;
  readonly key: string | null;
  /** Name and value in base64. */
  readonly headers: readonly (readonly [string, string])[] | null;
  readonly body: Buffer | null;
}

/** How an event relates to others; unknown ids are absent. */
export interface EventContext {
  readonly correlationId?: string | null;
  /** Id of the event that caused it. */
  readonly causationId?: string | null;
  /** W3C trace context. */
  readonly traceparent?: string | null;
  readonly tracestate?: string | null;
}

/** An event to publish, as stored. */
export interface UnpublishedEvent extends EventContext {
  readonly tenant: string;
  readonly org: string;
  readonly runId: string;
  readonly sequence: number;
  readonly at: Date;
  /** RunEvent as proto JSON. */
  readonly json: string;
}

/** The last sequence of a run to publish. */
export interface Goal {
  readonly tenant: string;
  readonly runId: string;
  readonly throughSequence: number;
}

/** A record that is published after its transaction has committed. */
export interface OutboxRecord extends BusRecord {
  readonly lane: number;
  /** Null when it belongs to no tenant. */
  readonly tenant: string | null;
  readonly topic: string;
}

/** Statement that gets the events of runs published after the transaction has committed. @param streams - relation of tenant, "runId", "lastSequence" and lane */
export const insertPointers = (streams: string): string =>
  `insert into outbox (lane, kind, tenant, run_id, through_sequence, topic, key)
   select s.lane, 'run_events', s.tenant, s."runId", s."lastSequence", '${runEventTopic}', s."runId"::text from ${streams} as s`;

/** Gets records published after the transaction has committed. */
export async function insertRecords(transaction: Transaction, records: readonly OutboxRecord[]): Promise<void> {
  if (records.length === 0) return;
  await transaction.query(
    `insert into outbox (lane, kind, tenant, topic, key, headers, body)
     select r.lane, 'record', r.tenant, r.topic, r.key, r.headers, decode(r.body, 'base64')
     from jsonb_to_recordset($1) as r(lane smallint, tenant text, topic text, key text, headers jsonb, body text)`,
    [JSON.stringify(records.map(outboxJson))],
  );
}

/** Bytes as base64, as the columns take them. */
const outboxJson = ({ headers, body, ...record }: OutboxRecord) => ({
  ...record,
  headers: headers.map(([name, value]) => [name, Buffer.from(value).toString("base64")]),
  body: body === null ? null : Buffer.from(body).toString("base64"),
});

/** The oldest rows of some lanes, until either limit is reached; at least one when there is any. @returns whether there may be more, too */
export async function readOutbox(
  transaction: Transaction,
  lanes: readonly HeldLane[],
  limits: { readonly rows: number; readonly bytes: number },
): Promise<{ readonly rows: readonly OutboxRow[]; readonly mayBeMore: boolean }> {
  const { rows } = await transaction.query<OutboxRow & { found: number }>(
    `select id, kind, tenant, run_id as "runId", through_sequence as "throughSequence", topic, key, headers, body, found
     from (
       select *, row_number() over oldest as place, sum(coalesce(octet_length(body), 0)) over oldest as bytes, count(*) over () as found
       from (
         select head.* from unnest($1::int[]) as held (lane), lateral (
           select id, kind, tenant, run_id, through_sequence, topic, key, headers, body from outbox as o where o.lane = held.lane order by id limit $2
         ) as head order by id limit $2
       ) as head
       window oldest as (order by id)
     ) as measured
     where bytes <= $3 or place = 1 order by id`,
    [lanes.map(({ lane }) => lane), limits.rows, limits.bytes],
  );
  return { rows, mayBeMore: rows.length === limits.rows || rows.length < (rows[0]?.found ?? 0) };
}

/** Unpublished events but those in the place of lost ones, run by run in the order of the goals, until either limit is reached; at least one when there is any. */
export async function readUnpublished(
  transaction: Transaction,
  goals: readonly Goal[],
  limits: { readonly rows: number; readonly bytes: number },
): Promise<UnpublishedEvent[]> {
  const { rows } = await transaction.query<UnpublishedEvent>(
    `select tenant, "runId", org, sequence, at, json, "correlationId", "causationId", traceparent, tracestate
     from (
       select *, row_number() over oldest as number, sum(octet_length(json)) over oldest as bytes
       from (
         select goal.tenant, goal.run_id as "runId", goal.place, e.sequence, e.at,
           e.event->'context'->>'org' as org, e.event::text as json,
           r.correlation_id as "correlationId", r.event_id as "causationId", r.traceparent, r.tracestate
         from unnest($1::text[], $2::uuid[], $3::bigint[]) with ordinality as goal (tenant, run_id, through_sequence, place)
         join runs as r on r.tenant = goal.tenant and r.run_id = goal.run_id
         join run_streams as s on s.tenant = goal.tenant and s.run_id = goal.run_id
         join run_events as e on e.day = r.day and e.tenant = goal.tenant and e.run_id = goal.run_id
           and e.sequence > s.published_sequence and e.sequence <= goal.through_sequence and not starts_with(e.event->>'writerKey', 'lost/')
         order by goal.place, e.sequence limit $4
       ) as head
       window oldest as (order by place, sequence)
     ) as measured
     where bytes <= $5 or number = 1 order by place, sequence`,
    [...goalColumns(goals), limits.rows, limits.bytes],
  );
  return rows;
}

/**
 * Records what has been published, in one statement: how far each run is, and which rows are done. The lanes' leases are renewed; of a lane that has another owner now, nothing is recorded.
 * The commit does not wait for the disk: after a crash of Postgres that lost it, the same events are published again.
 * @returns the lanes that are still held
 */
export async function settle(
  transaction: Transaction,
  lanes: readonly HeldLane[],
  published: readonly Goal[],
  doneIds: readonly number[],
): Promise<number[]> {
  const { rows } = await transaction.query<{ lane: number }>(
    // streams are locked in the order in which everybody locks many of them, so that nobody waits for one another
    `with held as (
       ${renewal("$1", "$2")}
     ), reached as (
       select s.tenant, s.run_id, goal.through_sequence
       from unnest($3::text[], $4::uuid[], $5::bigint[], $6::int[]) as goal (tenant, run_id, through_sequence, lane)
         join held on held.lane = goal.lane
         join run_streams as s on s.tenant = goal.tenant and s.run_id = goal.run_id and s.published_sequence < goal.through_sequence
       order by s.tenant, s.run_id for update of s
     ), recorded as (
       update run_streams as s set published_sequence = reached.through_sequence
       from reached where s.tenant = reached.tenant and s.run_id = reached.run_id
     ), done as (
       delete from outbox as o using held where o.lane = held.lane and o.id = any($7::bigint[])
     )
     select lane, set_config('synchronous_commit', 'off', true) from held`,
    [...laneColumns(lanes), ...goalColumns(published), published.map(({ runId }) => laneOf(runId)), doneIds],
  );
  return rows.map(({ lane }) => lane);
}

const goalColumns = (goals: readonly Goal[]) => [
  goals.map(({ tenant }) => tenant),
  goals.map(({ runId }) => runId),
  goals.map(({ throughSequence }) => throughSequence),
];
