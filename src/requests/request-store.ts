import type { Reason } from "../definitions/rejection-reason.ts";
import type { RuleTriedJson } from "../gen/workflows_runtime/v1/rule_tried_pb.ts";
import type { NewRun } from "../runs/new-run.ts";
import type { OutboxRecord } from "../runs/outbox/outbox-store.ts";
import type { Transaction } from "../tenancy/transaction.ts";

/** One delivery with its decision, ready to be written. */
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
  readonly rulesTried: readonly RuleTriedJson[];
  readonly eventTime?: string;
  readonly run?: NewRun;
  readonly records: readonly OutboxRecord[];
}

/**
 * Writes new identities, each with its request. It waits for another transaction that is writing the same identity.
 * @param rows - at most one per identity
 * @returns ids of the requests that were written
 */
export async function insertNewRequests(
  transaction: Transaction,
  rows: readonly RequestRow[],
): Promise<ReadonlySet<string>> {
  const inserted = await transaction.query<{ requestId: string }>(insertNew, [
    JSON.stringify(rows.map(({ run: _run, records: _records, ...row }) => row)),
  ]);
  return new Set(inserted.rows.map(({ requestId }) => requestId));
}

/**
 * Writes a decision after the first about an event whose identity is known.
 * @param decision - counts from 1
 * @returns false when that decision was made meanwhile
 */
export async function insertReplay(transaction: Transaction, row: RequestRow, decision: number): Promise<boolean> {
  const { run: _run, records: _records, ...own } = row;
  const { rowCount } = await transaction.query(insertDecision, [JSON.stringify([own]), decision]);
  return rowCount === 1;
}

const input = `
  input as (
    select * from jsonb_to_recordset($1) as i(
      tenant text, org text, source text, "eventId" text, "eventType" text, "requestId" uuid, "runId" uuid, digest text, "digestVersion" smallint,
      disposition text, reasons jsonb, position text, "recordDigest" text, payload jsonb, "correlationId" text, "causationId" text, traceparent text, tracestate text,
      subject text, "dataSchema" text, "droppedFields" jsonb, "rulesTried" jsonb, "eventTime" timestamptz)
  )`;

/** What run_requests has of a row, and how it is called in `input`. */
const columns = {
  own: `tenant, request_id, org, source, event_id, event_type, disposition, reasons, run_id, position, payload,
      correlation_id, causation_id, traceparent, tracestate, subject, data_schema, dropped_fields, rules_tried, event_time`,
  given: `tenant, "requestId", org, source, "eventId", "eventType", disposition, reasons, "runId", position, coalesce(payload, 'null'),
      "correlationId", "causationId", traceparent, tracestate, subject, "dataSchema", "droppedFields", "rulesTried", "eventTime"`,
};

const insertDecision = `
  with ${input}
  insert into run_requests (${columns.own}, decision) select ${columns.given}, $2::int from input
  on conflict do nothing`;

const insertNew = `
  with ${input}, identity as (
    insert into event_identities (tenant, org, source, event_id, digest_version, payload_digest, request_id, run_id, position, record_digest)
    select tenant, org, source, "eventId", "digestVersion", digest, "requestId", "runId", position, "recordDigest" from input order by tenant, source, "eventId"
    on conflict do nothing returning request_id
  ), request as (
    insert into run_requests (${columns.own}) select ${columns.given}
    from input join identity on identity.request_id = input."requestId"
  )
  select request_id as "requestId" from identity`;
