import type { RuleTriedJson } from "../gen/workflows_runtime/v1/rule_tried_pb.ts";
import type { PageCursor } from "../tenancy/page-token.ts";
import type { Transaction } from "../tenancy/transaction.ts";
import type { DeliveryRow } from "./delivery-store.ts";

/** A decision about a request, with what its event says. */
export interface DecisionRow extends Omit<DeliveryRow, "cursorId"> {
  /** 0 for the first. */
  readonly decision: number;
  readonly org: string;
  readonly payload: unknown;
  readonly eventTime: Date | null;
  readonly subject: string | null;
  readonly dataSchema: string | null;
  readonly correlationId: string | null;
  readonly causationId: string | null;
  readonly traceparent: string | null;
  readonly tracestate: string | null;
  readonly rulesTried: RuleTriedJson[];
}

/** What identifies a request: its own id, or the event's, of every source or of one. */
export type RequestKey = { readonly requestId: string } | { readonly eventId: string; readonly source: string | null };

const columns = `q.request_id as "requestId", q.decision, q.org, q.source, q.event_id as "eventId", q.event_type as "eventType", q.disposition, q.reasons,
       q.dropped_fields as "droppedFields", q.run_id as "runId", q.position, q.received_at as "receivedAt", q.payload, q.event_time as "eventTime", q.subject,
       q.data_schema as "dataSchema", q.correlation_id as "correlationId", q.causation_id as "causationId", q.traceparent, q.tracestate, q.rules_tried as "rulesTried"`;

/** All decisions about the events with this key, by source, in their order; at most 100. */
export async function findDecisions(transaction: Transaction, tenant: string, key: RequestKey): Promise<DecisionRow[]> {
  const isOwn = "requestId" in key;
  const { rows } = await transaction.query<DecisionRow>(
    `select ${columns}
     from run_requests q where q.tenant = $1 and ${isOwn ? sameEvent : "q.event_id = $2 and ($3::text is null or q.source = $3)"}
     order by q.source, q.decision limit 100`,
    isOwn ? [tenant, key.requestId] : [tenant, key.eventId, key.source],
  );
  return rows;
}

const sameEvent = `q.event_id = (select event_id from run_requests where tenant = $1 and request_id = $2::uuid)
  and q.source = (select source from run_requests where tenant = $1 and request_id = $2::uuid)`;

/** First decisions of a time span, newest first, at most `limit` of those after a cursor; without those about reruns, which name their versions. */
export async function listFirstDecisions(
  transaction: Transaction,
  tenant: string,
  { since, until, after }: { readonly since: Date; readonly until: Date; readonly after: PageCursor | undefined },
  limit: number,
): Promise<DecisionRow[]> {
  const { rows } = await transaction.query<DecisionRow>(
    `select ${columns}
     from run_requests q
     where q.tenant = $1 and q.decision = 0 and q.received_at >= $2 and q.received_at < $3
       and ($4::timestamptz is null or q.received_at < $4 or (q.received_at = $4 and q.request_id > $5::uuid))
       and not exists (select from runs r where r.tenant = q.tenant and r.run_id = q.run_id and r.rerun_of is not null)
     order by q.received_at desc, q.request_id limit $6`,
    [tenant, since, until, after?.at ?? null, after?.id ?? null, limit],
  );
  return rows;
}

/** Other deliveries that have, or claim, the source and id of an event, newest first, at most 100. */
export async function listOthers(
  transaction: Transaction,
  tenant: string,
  { source, eventId }: Pick<DeliveryRow, "source" | "eventId">,
): Promise<Omit<DeliveryRow, "cursorId">[]> {
  const { rows } = await transaction.query<Omit<DeliveryRow, "cursorId">>(
    `select d.request_id as "requestId", d.source, d.event_id as "eventId", d.event_type as "eventType", d.disposition, d.reasons, '[]'::jsonb as "droppedFields",
       d.run_id as "runId", d.position, d.received_at as "receivedAt"
     from deliveries d where d.tenant = $1 and d.event_id = $2 and d.source = $3 order by d.received_at desc limit 100`,
    [tenant, eventId, source],
  );
  return rows;
}
