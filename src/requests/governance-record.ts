import type { Reason } from "../definitions/rejection-reason.ts";
import { reason } from "../definitions/rejection-reason.ts";
import type { RunConflictJson, RunQuarantinedJson, RunRejectedJson } from "../gen/automation/v1/run_event_pb.ts";
import { textHeaders } from "../runs/outbox/bus-record.ts";
import { contextHeaders } from "../runs/outbox/event-record.ts";
import type { EventContext, OutboxRecord } from "../runs/outbox/outbox-store.ts";
import { governanceTopic, laneOf } from "../runs/outbox/topics.ts";

interface Payloads {
  readonly rejected: Required<RunRejectedJson>;
  readonly conflict: Required<RunConflictJson>;
  readonly quarantined: Required<RunQuarantinedJson>;
}

/**
 * Tells on the bus that a request, or a delivery of it, made no run.
 * @param id - of the event; the same delivery gives the same one
 */
export function governanceRecord<Kind extends keyof Payloads>(
  kind: Kind,
  id: string,
  payload: Payloads[Kind],
  { at, ...context }: EventContext & { readonly at: Date },
): OutboxRecord {
  const { requestId, tenant, org, eventId } = payload;
  return {
    lane: laneOf(requestId),
    tenant,
    topic: governanceTopic,
    key: requestId,
    headers: textHeaders({
      "content-type": "application/json",
      ce_specversion: "1.0",
      ce_id: id,
      ce_source: `automation://${tenant}`,
      ce_type: `automation.run.${kind}.v1`,
      ce_subject: requestId,
      ce_time: at.toISOString(),
      ce_tenantid: tenant,
      ce_orgid: org,
      ...contextHeaders({ ...context, causationId: eventId }),
    }),
    body: Buffer.from(JSON.stringify(payload)),
  };
}

/** Why a later event of a known identity makes nothing. @param eventId - of both */
export const conflictReason = (eventId: string): Reason =>
  reason(
    "conflict",
    "id",
    eventId,
    "was used before with other data, or in another org",
    "send another event under a new id",
  );
