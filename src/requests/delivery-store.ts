import type { ReasonJson } from "../gen/automation/v1/run_event_pb.ts";
import type { PageCursor } from "../tenancy/page-token.ts";
import type { Transaction } from "../tenancy/transaction.ts";

/** A delivery of a request, first or repeated, or a quarantined one. */
export interface DeliveryRow {
  readonly requestId: string | null;
  readonly source: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly disposition: string;
  readonly reasons: ReasonJson[];
  readonly droppedFields: string[];
  readonly runId: string | null;
  readonly position: string;
  readonly receivedAt: Date;
  readonly cursorId: string;
}

/**
 * Deliveries of the bound tenant, newest first, after a cursor. A filter that is null matches every delivery.
 * The limit applies to each table before the union, so a page costs the same however many deliveries there are.
 */
export async function listDeliveries(
  transaction: Transaction,
  tenant: string,
  filter: { readonly disposition: string | null; readonly eventId: string | null },
  after: PageCursor | undefined,
  limit: number,
): Promise<DeliveryRow[]> {
  const { rows } = await transaction.query<DeliveryRow>(
    `${half("run_requests", "d.dropped_fields", "d.position")} union all ${half("deliveries", "'[]'::jsonb", "d.position || d.record_digest")}
     order by "receivedAt" desc, "cursorId" desc limit $6`,
    [tenant, filter.disposition, filter.eventId, after?.at ?? null, after?.id ?? null, limit],
  );
  return rows;
}

/** @param own - expression that is unique among the deliveries of the table */
const half = (table: string, droppedFields: string, own: string): string => `
  (select d.request_id as "requestId", d.source, d.event_id as "eventId", d.event_type as "eventType", d.disposition,
          d.reasons, ${droppedFields} as "droppedFields", d.run_id as "runId", d.position, d.received_at as "receivedAt", md5(${own})::uuid as "cursorId"
   from ${table} d
   where d.tenant = $1 and ($2::text is null or d.disposition = $2) and ($3::text is null or d.event_id = $3)
     and ($4::timestamptz is null or (d.received_at <= $4 and (d.received_at, md5(${own})::uuid) < ($4, $5::uuid)))
   order by d.received_at desc, md5(${own})::uuid desc limit $6)`;
