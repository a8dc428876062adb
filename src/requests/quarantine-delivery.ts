import type { Reason } from "../definitions/rejection-reason.ts";
import { reason } from "../definitions/rejection-reason.ts";
import { cutText, storable } from "../text/strangers-text.ts";
import type { SourceBinding } from "./check-source.ts";
import { ownerOf } from "./check-source.ts";
import type { Claims } from "./cloudevent.ts";
import { decodeCloudEvent } from "./cloudevent.ts";
import type { Delivery } from "./delivery.ts";
import { quarantineRecord } from "./quarantine-record.ts";
import type { QuarantinedRow } from "./quarantine-store.ts";
import { recordDigest } from "./request-identity.ts";

/** Quarantines a delivery. What it claims is shown to the owner that `ownerOf` finds, else to the operator only. */
export function quarantine(
  bindings: readonly SourceBinding[],
  delivery: Delivery,
  claims: Claims,
  cause: string,
  reasons: readonly Reason[],
): QuarantinedRow {
  const owner = ownerOf(bindings, delivery, claims);
  return {
    ...owner,
    position: delivery.position,
    recordDigest: recordDigest(delivery),
    cause,
    reasons,
    sizeBytes: delivery.body?.length ?? 0,
    source: shown(claims.source, 500),
    eventId: shown(claims.id, 200),
    eventType: shown(claims.type, 200),
    record: quarantineRecord(delivery, cause, reasons, owner?.tenant ?? null),
  };
}

const shown = (claimed = "", most: number): string => storable(cutText(claimed, most));

/** For a delivery whose row Postgres refused. */
export function unstorable(bindings: readonly SourceBinding[], delivery: Delivery): QuarantinedRow {
  const decoded = decodeCloudEvent(delivery);
  const claims = "event" in decoded ? decoded.event : decoded.claims;
  return quarantine(bindings, delivery, claims, "unstorable", [
    reason(
      "unstorable",
      "data",
      "",
      "must be storable, and the database refused a value",
      "report it with this position; correct the value and send it again under a new event id",
    ),
  ]);
}

/** For an event on which our rules failed. Rules do no I/O: an exception is caused by the event; retrying won't help. */
export function undecidable(
  bindings: readonly SourceBinding[],
  delivery: Delivery,
  claims: Claims,
  error: unknown,
): QuarantinedRow {
  const rule = `must be decidable: ${error instanceof Error ? error.message : String(error)}`;
  return quarantine(bindings, delivery, claims, "undecidable", [
    reason("undecidable", "data", "", rule, "report it with this position; send it again once it is corrected"),
  ]);
}
