import type { ReasonJson } from "../gen/automation/v1/run_event_pb.ts";
import type { PageCursor } from "../tenancy/page-token.ts";
import type { Transaction } from "../tenancy/transaction.ts";

/** One delivery of a request, the first or a later one. */
export interface DeliveryRow {
  readonly requestId: string;
  readonly source: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly disposition: string;
  readonly reasons: ReasonJson[];
  readonly runId: string | null;
  readonly position: string;
  readonly receivedAt: Date;
  readonly cursorId: string;
}

/** Deliveries of the bound tenant, newest first, after a cursor. Null in the filter: any. */
export async function listDeliveries(
  transaction: Transaction,
  tenant: string,
  filter: { readonly disposition: string | null; readonly eventId: string | null },
  after: PageCursor | undefined,
  limit: number,
): Promise<DeliveryRow[]> {
  const { rows } = await transaction.query<DeliveryRow>(
    `with every_delivery as (
       select tenant, request_id, disposition, reasons, position, received_at from run_requests
       union all
       select tenant, request_id, disposition, '[]'::jsonb, position, received_at from deliveries
     )
     select q.request_id as "requestId", q.source, q.event_id as "eventId", q.event_type as "eventType", d.disposition, d.reasons,
            q.run_id as "runId", d.position, date_trunc('milliseconds', d.received_at) as "receivedAt", md5(d.position)::uuid as "cursorId"
     from every_delivery d join run_requests q using (tenant, request_id)
     where d.tenant = $1 and ($2::text is null or d.disposition = $2) and ($3::text is null or q.event_id = $3)
       and ($4::timestamptz is null or (date_trunc('milliseconds', d.received_at), md5(d.position)::uuid) < ($4, $5::uuid))
     order by date_trunc('milliseconds', d.received_at) desc, md5(d.position)::uuid desc limit $6`,
    [tenant, filter.disposition, filter.eventId, after?.at ?? null, after?.id ?? null, limit],
  );
  return rows;
}
