import type { Reason } from "../definitions/rejection-reason.ts";
import { reason } from "../definitions/rejection-reason.ts";
import type { OutboxRecord } from "../runs/outbox/outbox-store.ts";
import type { Scope } from "../tenancy/transaction.ts";
import { cutText, storable } from "../text/strangers-text.ts";
import type { SourceBinding } from "./check-source.ts";
import { ownerOf } from "./check-source.ts";
import type { Carried, Claims } from "./cloudevent.ts";
import { decodeCloudEvent } from "./cloudevent.ts";
import type { Delivery } from "./delivery.ts";
import { governanceRecord } from "./governance-record.ts";
import { quarantineRecord } from "./quarantine-record.ts";
import type { QuarantinedRow } from "./quarantine-store.ts";
import { deliveryIdOf, recordDigest } from "./request-identity.ts";

interface QuarantineDeps {
  readonly bindings: readonly SourceBinding[];
  readonly now: () => Date;
}

/** Quarantines a delivery. What it claims is shown and told to the owner that `ownerOf` finds, else to the operator only. */
export function quarantine(
  { bindings, now }: QuarantineDeps,
  delivery: Delivery,
  claims: Claims & Carried,
  cause: string,
  reasons: readonly Reason[],
): QuarantinedRow {
  const owner = ownerOf(bindings, delivery, claims);
  const { position } = delivery;
  const digest = recordDigest(delivery);
  const shownClaims = {
    source: shown(claims.source, 500),
    eventId: shown(claims.id, 200),
    eventType: shown(claims.type, 200),
  };
  const tell = (told: Scope): OutboxRecord => {
    const id = deliveryIdOf(position, digest);
    const payload = { requestId: id, ...told, ...shownClaims, reasons: [...reasons], position };
    return governanceRecord("quarantined", id, payload, {
      ...claims,
      correlationId: shown(claims.correlationId, 200),
      at: now(),
    });
  };
  const original = quarantineRecord(delivery, cause, reasons, owner?.tenant ?? null);
  return {
    ...owner,
    position,
    recordDigest: digest,
    cause,
    reasons,
    sizeBytes: delivery.body?.length ?? 0,
    ...shownClaims,
    records: owner === undefined ? [original] : [original, tell(owner)],
  };
}

const shown = (claimed = "", most: number): string => storable(cutText(claimed, most));

/** For a delivery whose row Postgres refused. */
export function unstorable(deps: QuarantineDeps, delivery: Delivery): QuarantinedRow {
  const decoded = decodeCloudEvent(delivery);
  const claims = "event" in decoded ? decoded.event : decoded.claims;
  return quarantine(deps, delivery, claims, "unstorable", [
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
  deps: QuarantineDeps,
  delivery: Delivery,
  claims: Claims & Carried,
  error: unknown,
): QuarantinedRow {
  const rule = `must be decidable: ${error instanceof Error ? error.message : String(error)}`;
  return quarantine(deps, delivery, claims, "undecidable", [
    reason("undecidable", "data", "", rule, "report it with this position; send it again once it is corrected"),
  ]);
}
