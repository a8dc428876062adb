import type { CloudEvent } from "./cloudevent.ts";
import type { DecisionRow } from "./decision-store.ts";

/** @returns the event that was decided about, as it came first */
export function eventOf(row: DecisionRow, tenant: string): CloudEvent {
  return {
    id: row.eventId,
    source: row.source,
    type: row.eventType,
    tenant,
    org: row.org,
    data: row.payload,
    subject: row.subject ?? undefined,
    time: row.eventTime?.toISOString(),
    dataSchema: row.dataSchema ?? undefined,
    correlationId: row.correlationId ?? undefined,
    causationId: row.causationId ?? undefined,
    traceparent: row.traceparent ?? undefined,
    tracestate: row.tracestate ?? undefined,
  };
}
