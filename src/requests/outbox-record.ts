import type { Reason } from "../definitions/rejection-reason.ts";
import type { Header } from "../runs/outbox/bus-record.ts";
import { textHeaders } from "../runs/outbox/bus-record.ts";
import { contextHeaders } from "../runs/outbox/event-record.ts";
import type { OutboxRecord } from "../runs/outbox/outbox-store.ts";
import { laneOf, quarantineTopic, runEventTopic } from "../runs/outbox/topics.ts";
import { storable } from "../text/strangers-text.ts";
import type { CloudEvent } from "./cloudevent.ts";
import type { Delivery } from "./delivery.ts";

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

const carriedLimitBytes = 1024 * 1024;

/**
 * The delivery as it came, with why it was not understood and where it stood; it can be sent again from there.
 * One of more than 1 MiB, headers included, is only pointed at. NUL in the key or a header's name, which Postgres can't store, is shown as its symbol.
 */
export function quarantineRecord(
  delivery: Delivery,
  cause: string,
  reasons: readonly Reason[],
  tenant: string | null,
): OutboxRecord {
  const headers = delivery.headers.map(([name, value]): Header => [storable(name), value]);
  const headerBytes = headers.reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + value.length, 0);
  const isCarried = headerBytes + (delivery.body?.length ?? 0) <= carriedLimitBytes;
  const kept = isCarried ? headers : headers.filter(isTrace);
  return {
    lane: laneOf(delivery.position),
    tenant,
    topic: quarantineTopic,
    key: delivery.key === null ? null : storable(delivery.key),
    headers: [
      ...kept.filter(([name]) => !name.toLowerCase().startsWith("quarantine-")),
      ...textHeaders({
        ...(isCarried ? {} : { "quarantine-omitted": "value and headers; read them at the origin" }),
        "quarantine-cause": cause,
        "quarantine-reasons": JSON.stringify(reasons.slice(0, 20)),
        "quarantine-attempts": "1",
        "quarantine-origin": delivery.position,
      }),
    ],
    body: isCarried ? delivery.body : null,
  };
}

/** What tells whose record it is and where it belongs, as long as it is short. */
const isTrace = ([name, value]: Header): boolean =>
  /^ce_(id|source|correlationid|causationid|traceparent|tracestate)$/i.test(name) && value.length <= 512;
