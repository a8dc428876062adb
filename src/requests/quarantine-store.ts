import type { Reason } from "../definitions/rejection-reason.ts";
import type { ReasonJson } from "../gen/automation/v1/run_event_pb.ts";
import type { OutboxRecord } from "../runs/outbox/outbox-store.ts";
import { insertRecords } from "../runs/outbox/outbox-store.ts";
import type { PageCursor } from "../tenancy/page-token.ts";
import type { Scope, Transaction } from "../tenancy/transaction.ts";

/** A quarantined delivery; without tenant and org it belongs to the platform. */
export interface QuarantinedRow extends Partial<Scope> {
  readonly position: string;
  readonly recordDigest: string;
  readonly cause: string;
  readonly reasons: readonly Reason[];
  readonly sizeBytes: number;
  readonly source: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly records: readonly OutboxRecord[];
}

/** A quarantined delivery that belongs to no tenant. */
export interface PlatformDeliveryRow {
  readonly position: string;
  readonly source: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly reasons: ReasonJson[];
  readonly sizeBytes: number;
  readonly receivedAt: Date;
  readonly cursorId: string;
}

/** Writes each to its tenant's deliveries, or to the platform's, and to the outbox. A record that is known at its position is skipped. */
export async function recordQuarantined(transaction: Transaction, rows: readonly QuarantinedRow[]): Promise<void> {
  if (rows.length === 0) return;
  const added = await transaction.query<{ index: number }>(insert, [
    JSON.stringify(rows.map(({ records: _, ...row }, index) => ({ index, ...row }))),
  ]);
  await insertRecords(
    transaction,
    added.rows.flatMap(({ index }) => rows[index]?.records ?? []),
  );
}

const insert = `
  with input as (
    select * from jsonb_to_recordset($1) as i(index int, tenant text, org text, position text, "recordDigest" text, cause text, reasons jsonb, "sizeBytes" int,
      source text, "eventId" text, "eventType" text)
  ), platform as (
    insert into platform_deliveries (position, record_digest, disposition, cause, reasons, size_bytes, source, event_id, event_type)
    select position, "recordDigest", 'quarantined', cause, reasons, "sizeBytes", source, "eventId", "eventType" from input
    where tenant is null order by position
    on conflict do nothing returning position, record_digest
  ), owned as (
    insert into deliveries (tenant, org, position, record_digest, source, event_id, event_type, disposition, reasons)
    select tenant, org, position, "recordDigest", source, "eventId", "eventType", 'quarantined', reasons from input
    where tenant is not null order by tenant, position
    on conflict do nothing returning position, record_digest
  )
  select input.index from (select * from platform union all select * from owned) as added
    join input on input.position = added.position and input."recordDigest" = added.record_digest`;

/** Deliveries that belong to no tenant, newest first, after a cursor. @param eventId - null matches every event */
export async function listPlatformRows(
  transaction: Transaction,
  eventId: string | null,
  after: PageCursor | undefined,
  limit: number,
): Promise<PlatformDeliveryRow[]> {
  const { rows } = await transaction.query<PlatformDeliveryRow>(
    `select position, source, event_id as "eventId", event_type as "eventType", reasons, size_bytes as "sizeBytes",
            received_at as "receivedAt", ${cursor} as "cursorId"
     from platform_deliveries
     where ($1::text is null or event_id = $1)
       and ($2::timestamptz is null or (received_at <= $2 and (received_at, ${cursor}) < ($2, $3::uuid)))
     order by received_at desc, ${cursor} desc limit $4`,
    [eventId, after?.at ?? null, after?.id ?? null, limit],
  );
  return rows;
}

const cursor = "md5(position || record_digest)::uuid";
