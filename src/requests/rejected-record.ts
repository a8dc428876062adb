import type { Reason } from "../definitions/rejection-reason.ts";
import { textHeaders } from "../runs/outbox/bus-record.ts";
import { contextHeaders } from "../runs/outbox/event-record.ts";
import type { OutboxRecord } from "../runs/outbox/outbox-store.ts";
import { laneOf, runEventTopic } from "../runs/outbox/topics.ts";
import type { CloudEvent } from "./cloudevent.ts";

/** `automation.run.rejected.v1`: the request was understood and will never become a run. */
export function rejectedRecord(
  event: CloudEvent,
  requestId: string,
  reasons: readonly Reason[],
  now: Date,
): OutboxRecord {
  const payload = {
    requestId,
    tenant: event.tenant,
    org: event.org,
    source: event.source,
    eventId: event.id,
    reasons,
  };
  return {
    lane: laneOf(requestId),
    tenant: event.tenant,
    topic: runEventTopic,
    key: requestId,
    headers: textHeaders({
      "content-type": "application/json",
      ce_specversion: "1.0",
      ce_id: requestId,
      ce_source: `automation://${event.tenant}`,
      ce_type: "automation.run.rejected.v1",
      ce_subject: requestId,
      ce_time: now.toISOString(),
      ce_tenantid: event.tenant,
      ce_orgid: event.org,
      ...contextHeaders({ ...event, causationId: event.id }),
    }),
    body: Buffer.from(JSON.stringify(payload)),
  };
}
