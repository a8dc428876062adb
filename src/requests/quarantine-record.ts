import type { Reason } from "../definitions/rejection-reason.ts";
import type { Header } from "../runs/outbox/bus-record.ts";
import { textHeaders } from "../runs/outbox/bus-record.ts";
import type { OutboxRecord } from "../runs/outbox/outbox-store.ts";
import { laneOf, quarantineTopic } from "../runs/outbox/topics.ts";
import { storable } from "../text/strangers-text.ts";
import type { Delivery } from "./delivery.ts";

const carriedLimitBytes = 1024 * 1024;

/**
 * The delivery as it came, with headers that say why it was quarantined and where it stood.
 * Above 1 MiB, headers included, it is only a pointer to there. NUL in the key or in a header's name, which Postgres can't store, is replaced by its symbol.
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

/** Headers that a pointer keeps, if they are short: they tell whose record it is. */
const isTrace = ([name, value]: Header): boolean =>
  /^ce_(id|source|correlationid|causationid|traceparent|tracestate)$/i.test(name) && value.length <= 512;
