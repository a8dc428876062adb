import type { Reason } from "../definitions/reason.ts";
import { contextHeaders } from "../runs/outbox/event-record.ts";
import type { OutboxRecord } from "../runs/outbox/outbox-store.ts";
import { laneOf, quarantineTopic, runEventTopic } from "../runs/outbox/topics.ts";
import { storable } from "../text/strangers-text.ts";
import type { CloudEvent, Delivery } from "./cloudevent.ts";

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
    headers: {
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
    },
    body: Buffer.from(JSON.stringify(payload)).toString("base64"),
  };
}

const carriedLimitBytes = 1024 * 1024;

/**
 * The delivery as it came, with why it was not understood and where it stood; it can be sent again from there.
 * One of more than 1 MiB, headers included, is only pointed at. NUL in key or headers is shown as its symbol.
 */
export function quarantineRecord(
  delivery: Delivery,
  cause: string,
  reasons: readonly Reason[],
  tenant: string | null,
): OutboxRecord {
  const headers = Object.entries(delivery.headers).map(([name, text]) => [storable(name), storable(text)] as const);
  const headerBytes = headers.reduce((sum, [name, text]) => sum + Buffer.byteLength(name) + Buffer.byteLength(text), 0);
  const isCarried = headerBytes + (delivery.value?.length ?? 0) <= carriedLimitBytes;
  return {
    lane: laneOf(delivery.position),
    tenant,
    topic: quarantineTopic,
    key: storable(delivery.key),
    headers: {
      ...(isCarried
        ? Object.fromEntries(headers)
        : { "quarantine-omitted": "value and headers; read them at the origin", ...tracedBy(headers) }),
      "quarantine-cause": cause,
      "quarantine-reasons": JSON.stringify(reasons.slice(0, 20)),
      "quarantine-attempts": "1",
      "quarantine-origin": delivery.position,
    },
    body: isCarried ? Buffer.from(delivery.value ?? []).toString("base64") : "",
  };
}

/** What tells whose record it is and where it belongs, as long as it is short. */
const tracedBy = (headers: readonly (readonly [string, string])[]): Record<string, string> =>
  Object.fromEntries(
    headers.filter(
      ([name, text]) =>
        /^ce_(id|source|correlationid|causationid|traceparent|tracestate)$/.test(name) &&
        Buffer.byteLength(text) <= 512,
    ),
  );
