import type { EventContext, UnpublishedEvent } from "./outbox-store.ts";

/** A message as the bus takes it. */
export interface BusRecord {
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** A run event as a CloudEvent in binary mode. Its id is stable: who sees it twice drops the second. */
export function toBusRecord({ tenant, org, runId, sequence, at, json, ...context }: UnpublishedEvent): BusRecord {
  return {
    key: runId,
    value: Buffer.from(json),
    headers: {
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
    },
  };
}

/** What an event carries on from the request that caused it: correlation and causation, and the trace (CloudEvents distributed tracing extension). */
export function contextHeaders(context: EventContext): Record<string, string> {
  const { correlationId, causationId, traceparent, tracestate } = context;
  const attributes = { correlationid: correlationId, causationid: causationId, traceparent, tracestate };
  return Object.fromEntries(Object.entries(attributes).flatMap(([name, text]) => (text ? [[`ce_${name}`, text]] : [])));
}

/** Splits records into sends of at most so many bytes; order is kept, and a record that is larger by itself travels alone. */
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

function sizeOf({ key, value, headers }: BusRecord): number {
  const framing = 32;
  const named = Object.entries(headers).reduce(
    (sum, [name, text]) => sum + name.length + Buffer.byteLength(text) + 4,
    0,
  );
  return framing + key.length + value.byteLength + named;
}
