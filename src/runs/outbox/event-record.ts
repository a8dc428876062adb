import type { BusRecord } from "./bus-record.ts";
import { textHeaders } from "./bus-record.ts";
import type { EventContext, UnpublishedEvent } from "./outbox-store.ts";

/** A run event as a CloudEvent in binary mode. Its id is stable, so that consumers can drop repeated deliveries. */
export function toBusRecord({ tenant, org, runId, sequence, at, json, ...context }: UnpublishedEvent): BusRecord {
  return {
    key: runId,
    headers: textHeaders({
      "content-type": "application/json",
      ce_specversion: "1.0",
      ce_id: `${runId}/${sequence}`,
      ce_source: `automation://${tenant}`,
      ce_type: "automation.run.event.v1",
      ce_subject: runId,
      ce_time: at.toISOString(),
      ce_tenantid: tenant,
      ce_orgid: org,
      ...contextHeaders(context),
    }),
    body: Buffer.from(json),
  };
}

/** Headers that an event takes over from its request: correlation, causation and trace (CloudEvents distributed tracing extension). */
export function contextHeaders(context: EventContext): Record<string, string> {
  const { correlationId, causationId, traceparent, tracestate } = context;
  const attributes = { correlationid: correlationId, causationid: causationId, traceparent, tracestate };
  return Object.fromEntries(Object.entries(attributes).flatMap(([name, text]) => (text ? [[`ce_${name}`, text]] : [])));
}

/** Splits records into batches of at most `maxBytes`, in order; a larger record gets a batch of its own. */
export function splitByBytes(records: readonly BusRecord[], maxBytes: number): BusRecord[][] {
  const parts: BusRecord[][] = [];
  let room = 0;
  for (const record of records) {
    const size = sizeOf(record);
    if (size > room) {
      parts.push([]);
      room = maxBytes;
    }
    parts.at(-1)?.push(record);
    room -= size;
  }
  return parts;
}

function sizeOf({ key, headers, body }: BusRecord): number {
  const framing = 32;
  const named = headers.reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + value.byteLength + 4, 0);
  return framing + Buffer.byteLength(key ?? "") + (body?.byteLength ?? 0) + named;
}
