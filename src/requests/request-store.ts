import type { Reason } from "../definitions/rejection-reason.ts";
import type { OutboxRecord } from "../runs/outbox/outbox-store.ts";
import { outboxJson } from "../runs/outbox/outbox-store.ts";
import type { Transaction } from "../tenancy/transaction.ts";

/** One delivery with its decision, as it is written. */
export interface RequestRow {
  readonly tenant: string;
  readonly org: string;
  readonly source: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly requestId: string;
  readonly runId: string | null;
  readonly digest: string;
  readonly digestVersion: number;
  readonly disposition: "accepted" | "filtered" | "rejected" | "quarantined";
  readonly reasons: readonly Reason[];
  readonly position: string;
  /** Empty for a call. */
  readonly recordDigest: string;
  readonly payload: unknown;
  readonly correlationId?: string;
  readonly causationId?: string;
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly subject?: string;
  readonly dataSchema?: string;
  readonly droppedFields: readonly string[];
  readonly eventTime?: string;
  readonly run?: RunRowDraft;
  readonly record?: OutboxRecord;
}

/** What an accepted request adds. */
export interface RunRowDraft {
  readonly definitionId: string;
  readonly definitionVersion: string;
  readonly definitionDigest: string;
  readonly profileId: string;
  readonly profileVersion: string;
  readonly profileDigest: string;
  readonly ruleId: string | null;
  readonly method: string;
  readonly workKind: string;
  readonly cadenceId: string;
  readonly references: object;
  readonly requested: object;
  /** Absent for a plan without steps. */
  readonly pins?: object;
  /** What Temporal's pages are told of the request. */
  readonly shown: { readonly goal: string; readonly personas: readonly object[] };
  readonly priority: number;
  readonly queueLimitSeconds: number;
  readonly workLimitSeconds: number;
  readonly handoffLimitSeconds: number;
  readonly deadlineAt?: string;
  readonly dueAt?: string;
  readonly day: string;
  readonly createdAt: string;
  readonly referenceRows: readonly { readonly kind: string; readonly id: string }[];
  readonly firstEvent: { readonly hash: string; readonly writerKey: string; readonly event: object };
  readonly lane: number;
  readonly topic: string;
}

/** What was found: `first` is this very delivery, written now or before. An identity that another org has is a conflict, and no more is told of it. */
export interface Seen {
  readonly index: number;
  readonly seen: "first" | "duplicate" | "conflict";
  readonly requestId: string;
  readonly runId: string | null;
}

/**
 * Writes a batch in one round trip: new identities with all that follows from them, then, on a new snapshot, what became of those that were known.
 * @param fresh - at most one row per identity: those that may be new
 * @param all - every row, the repeated ones too
 */
export async function recordRequests(
  transaction: Transaction,
  fresh: readonly RequestRow[],
  all: readonly RequestRow[],
): Promise<readonly Seen[]> {
  if (all.length === 0) return [];
  const [, found] = await Promise.all([
    transaction.query(insertFresh, [
      JSON.stringify(fresh.map((row) => ({ ...row, record: row.record && outboxJson(row.record) }))),
    ]),
    transaction.query<Seen>(classify, [
      JSON.stringify(
        all.map(({ tenant, org, source, eventId, eventType, digest, position, recordDigest }, index) => ({
          ...{ index, tenant, org, source, eventId, eventType, digest, position, recordDigest },
        })),
      ),
    ]),
  ]);
  return found.rows;
}

const insertFresh = `
  with input as (
    select * from jsonb_to_recordset($1) as i(
      tenant text, org text, source text, "eventId" text, "eventType" text, "requestId" uuid, "runId" uuid, digest text, "digestVersion" smallint,
      disposition text, reasons jsonb, position text, "recordDigest" text, payload jsonb, "correlationId" text, "causationId" text, traceparent text, tracestate text,
      subject text, "dataSchema" text, "droppedFields" jsonb, "eventTime" timestamptz, run jsonb, record jsonb)
  ), identity as (
    insert into event_identities (tenant, org, source, event_id, digest_version, payload_digest, request_id, run_id, position, record_digest)
    select tenant, org, source, "eventId", "digestVersion", digest, "requestId", "runId", position, "recordDigest" from input order by tenant, source, "eventId"
    on conflict do nothing returning request_id
  ), fresh as (
    select input.* from input join identity on identity.request_id = input."requestId"
  ), request as (
    insert into run_requests (tenant, request_id, org, source, event_id, event_type, disposition, reasons, run_id, position, payload,
      correlation_id, causation_id, traceparent, tracestate, subject, data_schema, dropped_fields, event_time)
    select tenant, "requestId", org, source, "eventId", "eventType", disposition, reasons, "runId", position, coalesce(payload, 'null'),
      "correlationId", "causationId", traceparent, tracestate, subject, "dataSchema", "droppedFields", "eventTime" from fresh
  ), made as (
    select fresh.*, d.* from fresh, jsonb_to_record(fresh.run) as d(
      "definitionId" text, "definitionVersion" text, "definitionDigest" text, "profileId" text, "profileVersion" text, "profileDigest" text,
      "ruleId" text, method text, "workKind" text, "cadenceId" text, "references" jsonb, requested jsonb, pins jsonb, shown jsonb, priority smallint,
      "queueLimitSeconds" int, "workLimitSeconds" int, "handoffLimitSeconds" int, "deadlineAt" timestamptz, "dueAt" timestamptz, day date, "createdAt" timestamptz, "referenceRows" jsonb, "firstEvent" jsonb, lane smallint, topic text)
    where fresh."runId" is not null
  ), new_run as (
    insert into runs (tenant, run_id, org, request_id, source, event_id, definition_id, definition_version, definition_digest, profile_id,
      profile_version, profile_digest, rule_id, method, work_kind, cadence_id, "references", requested, pins, shown, status, priority, correlation_id,
      traceparent, tracestate, queue_limit_seconds, work_limit_seconds, handoff_limit_seconds, deadline_at, due_at, day, created_at)
    select tenant, "runId", org, "requestId", source, "eventId", "definitionId", "definitionVersion", "definitionDigest", "profileId",
      "profileVersion", "profileDigest", "ruleId", method, "workKind", "cadenceId", "references", requested, pins, shown, 'ADMITTED', priority, "correlationId",
      traceparent, tracestate, "queueLimitSeconds", "workLimitSeconds", "handoffLimitSeconds", "deadlineAt", "dueAt", day, "createdAt" from made
  ), new_reference as (
    insert into run_references (tenant, org, run_id, kind, id)
    select made.tenant, made.org, made."runId", r.kind, r.id from made, jsonb_to_recordset(made."referenceRows") as r(kind text, id text)
  ), new_stream as (
    insert into run_streams (tenant, org, run_id, last_sequence, last_hash) select tenant, org, "runId", 1, "firstEvent"->>'hash' from made
  ), new_event as (
    insert into run_events (tenant, org, run_id, day, sequence, writer_key, at, hash, event)
    select tenant, org, "runId", day, 1, "firstEvent"->>'writerKey', "createdAt", "firstEvent"->>'hash', "firstEvent"->'event' from made
  ), pointer as (
    insert into outbox (lane, kind, tenant, run_id, through_sequence, topic, key)
    select lane, 'run_events', tenant, "runId", 1, topic, "runId"::text from made
  )
  insert into outbox (lane, kind, tenant, topic, key, headers, body)
  select r.lane, 'record', r.tenant, r.topic, r.key, r.headers, decode(r.body, 'base64')
  from fresh, jsonb_to_record(fresh.record) as r(lane smallint, tenant text, topic text, key text, headers jsonb, body text)
  where fresh.record is not null`;

const classify = `
  with input as (
    select * from jsonb_to_recordset($1) as i(index int, tenant text, org text, source text, "eventId" text, "eventType" text, digest text, position text, "recordDigest" text)
  ), seen as (
    select i.*, e.request_id, case when e.org = i.org then e.run_id end as run_id,
      case when e.org <> i.org then 'conflict' when e.position = i.position and e.record_digest = i."recordDigest" then 'first' when e.payload_digest = i.digest then 'duplicate' else 'conflict' end as seen
    from input i join event_identities e on e.tenant = i.tenant and e.source = i.source and e.event_id = i."eventId"
  ), again as (
    insert into deliveries (tenant, org, position, record_digest, request_id, source, event_id, event_type, run_id, disposition, payload_digest)
    select tenant, org, position, "recordDigest", request_id, source, "eventId", "eventType", run_id, seen, digest from seen where seen <> 'first' order by tenant, position
    on conflict do nothing
  )
  select index, seen, request_id as "requestId", run_id as "runId" from seen order by index`;
