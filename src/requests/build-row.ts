import type { AcceptedRun } from "../runs/new-run.ts";
import { newRun } from "../runs/new-run.ts";
import type { OutboxRecord } from "../runs/outbox/outbox-store.ts";
import { shownText } from "../text/strangers-text.ts";
import type { CloudEvent } from "./cloudevent.ts";
import type { DecidedRun, Decision } from "./decide-request.ts";
import type { Delivery } from "./delivery.ts";
import { governanceRecord } from "./governance-record.ts";
import { quarantineRecord } from "./quarantine-record.ts";
import { digestVersion, payloadDigest, recordDigest, requestIdOf, runIdOf } from "./request-identity.ts";
import type { RequestRow } from "./request-store.ts";
import type { TraceContext } from "./trace-context.ts";

/** Turns an event and its decision into the rows to write. The ids depend on the identity only. */
export function buildRow(
  event: CloudEvent,
  decision: Decision,
  at: {
    readonly position: string;
    readonly now: Date;
    readonly delivery?: Delivery;
    /** What the spans of the run have as parent, when it is traced. */
    readonly trace?: TraceContext;
    /** Number of the decision; 0, the first, unless told otherwise. */
    readonly decision?: number;
    /** Part of the identity's payload: one id can't ask for reruns of two runs. */
    readonly rerunOf?: string;
  },
): RequestRow {
  const identity = { tenant: event.tenant, source: event.source, eventId: event.id };
  const requestId = requestIdOf(identity, at.decision ?? 0);
  const run =
    decision.disposition === "accepted"
      ? newRun(
          runOf({ ...event, ...at.trace }, decision.run, {
            requestId,
            runId: runIdOf(identity, at.decision ?? 0),
            rerunOf: at.rerunOf ?? null,
          }),
          at.now,
        )
      : undefined;
  const reasons = decision.disposition === "accepted" ? [] : decision.reasons;
  return {
    ...identity,
    org: event.org,
    eventType: event.type,
    requestId,
    runId: run?.run.runId ?? null,
    digest: payloadDigest(at.rerunOf === undefined ? event.data : { rerunOf: at.rerunOf, data: event.data }),
    digestVersion,
    disposition: decision.disposition,
    reasons,
    position: at.position,
    recordDigest: at.delivery === undefined ? "" : recordDigest(at.delivery),
    payload: event.data,
    correlationId: event.correlationId,
    causationId: event.causationId,
    traceparent: event.traceparent,
    tracestate: event.tracestate,
    subject: event.subject,
    dataSchema: event.dataSchema,
    droppedFields: decision.droppedFields,
    rulesTried: decision.tried,
    eventTime: event.time,
    run,
    records: recordsOf(event, decision, requestId, at),
  };
}

/** What the bus is told when no run is made; that an event is filtered is nobody's concern. */
function recordsOf(
  event: CloudEvent,
  decision: Decision,
  requestId: string,
  { position, delivery, now }: Parameters<typeof buildRow>[2],
): OutboxRecord[] {
  if (decision.disposition === "accepted" || decision.disposition === "filtered") return [];
  const { tenant, org, source, id: eventId, type: eventType } = event;
  const reasons = [...decision.reasons];
  const payload = { requestId, tenant, org, source, eventId, eventType, position, reasons };
  const told = governanceRecord(decision.disposition, requestId, payload, { ...event, at: now });
  if (decision.disposition === "rejected" || delivery === undefined) return [told];
  return [quarantineRecord(delivery, reasons[0]?.code ?? "not_understood", reasons, tenant), told];
}

function runOf(
  event: CloudEvent,
  decided: DecidedRun,
  ids: Pick<AcceptedRun, "runId" | "requestId" | "rerunOf">,
): AcceptedRun {
  return {
    tenant: event.tenant,
    org: event.org,
    ...ids,
    source: event.source,
    eventId: event.id,
    definitionId: decided.version.definitionId,
    definitionVersion: decided.version.version,
    definitionDigest: decided.version.digest,
    profileId: decided.profile.id,
    profileVersion: decided.profile.version,
    profileDigest: decided.profile.digest,
    ruleId: decided.rule?.id ?? null,
    ruleVersion: decided.rule?.version ?? null,
    queueKeys: decided.queueKeys,
    fairnessKey: decided.fairnessKey,
    method: decided.derived.method,
    workKind: decided.requested.workKind ?? "",
    cadenceId: decided.derived.cadenceId,
    references: decided.derived.references,
    requested: decided.requested,
    pins: decided.pins ?? null,
    shown: shownOf(decided),
    priority: decided.priority,
    correlationId: event.correlationId ?? null,
    traceparent: event.traceparent ?? null,
    tracestate: event.tracestate ?? null,
    ...decided.limits,
    deadlineAt: decided.deadlineAt,
  };
}

const maxGoalLength = 500;

/** What Temporal's pages show: the goal on one line, each persona once. */
function shownOf({ requested, pins }: DecidedRun): AcceptedRun["shown"] {
  const personas = (pins?.personas ?? []).map(({ id = "", version = "" }) => ({ id, version }));
  return {
    goal: shownText((requested.goal ?? "").replaceAll(/\s+/g, " ").trim(), maxGoalLength),
    personas: [...new Map(personas.map((persona) => [`${persona.id}@${persona.version}`, persona])).values()],
  };
}
