import { everyRef } from "../definitions/static-guards.ts";
import type { ReferencesJson, RefJson } from "../gen/automation/v1/ref_pb.ts";
import { laneOf, runEventTopic } from "../runs/outbox/topics.ts";
import { eventContextOf, limitToJson } from "../runs/run-draft.ts";
import { chainEvents, genesis } from "../runs/stream/chain-events.ts";
import { nextLimit } from "../runs/time-limits.ts";
import { shownText } from "../text/strangers-text.ts";
import type { CloudEvent } from "./cloudevent.ts";
import type { DecidedRun, Decision } from "./decide-request.ts";
import type { Delivery } from "./delivery.ts";
import { quarantineRecord, rejectedRecord } from "./outbox-record.ts";
import { digestVersion, payloadDigest, recordDigest, requestIdOf, runIdOf } from "./request-identity.ts";
import type { RequestRow, RunRowDraft } from "./request-store.ts";

/** Turns an event and its decision into what is written; ids depend on the identity alone. */
export function buildRow(
  event: CloudEvent,
  decision: Decision,
  at: { readonly position: string; readonly now: Date; readonly delivery?: Delivery },
): RequestRow {
  const identity = { tenant: event.tenant, source: event.source, eventId: event.id };
  const requestId = requestIdOf(identity, 0);
  const runId = decision.disposition === "accepted" ? runIdOf(identity, 0) : null;
  const reasons = decision.disposition === "accepted" ? [] : decision.reasons;
  return {
    ...identity,
    org: event.org,
    eventType: event.type,
    requestId,
    runId,
    digest: payloadDigest(event.data),
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
    eventTime: event.time,
    run: decision.disposition === "accepted" ? draftOf(event, decision.run, runIdOf(identity, 0), at.now) : undefined,
    record:
      decision.disposition === "rejected"
        ? rejectedRecord(event, requestId, reasons, at.now)
        : decision.disposition === "quarantined" && at.delivery !== undefined
          ? quarantineRecord(at.delivery, reasons[0]?.code ?? "not_understood", reasons, event.tenant)
          : undefined,
  };
}

function draftOf(event: CloudEvent, run: DecidedRun, runId: string, now: Date): RunRowDraft {
  const { references, method, cadenceId } = run.derived;
  const profile = { profileId: run.profile.id, profileVersion: run.profile.version };
  const context = eventContextOf({ tenant: event.tenant, org: event.org, ...profile, cadenceId, references });
  const { limits, deadlineAt } = run;
  const due = nextLimit({
    ...limits,
    ...{ status: "ADMITTED", deadlineAt, createdAt: now, workBegunAt: null, sealingAt: null },
  });
  const limit = due && limitToJson(due);
  const admitted = { writerKey: "accept", status: { status: "RUN_STATUS_ADMITTED", limit } } as const;
  const [first] = chainEvents(genesis, { runId, context }, [admitted], now).events;
  if (first === undefined) throw new Error("a chain of one draft has one event");
  return {
    definitionId: run.version.definitionId,
    definitionVersion: run.version.version,
    definitionDigest: run.version.digest,
    ...profile,
    profileDigest: run.profile.digest,
    ruleId: run.ruleId ?? null,
    method,
    workKind: run.requested.workKind ?? "",
    cadenceId,
    references,
    requested: run.requested,
    pins: run.pins,
    shown: shownOf(run),
    priority: run.priority,
    ...run.limits,
    deadlineAt: run.deadlineAt?.toISOString(),
    dueAt: limit?.dueAt,
    day: now.toISOString().slice(0, 10),
    createdAt: now.toISOString(),
    referenceRows: referenceRowsOf(references),
    firstEvent: { hash: first.hash, writerKey: first.writerKey, event: first.event },
    lane: laneOf(runId),
    topic: runEventTopic,
  };
}

const maxGoalLength = 500;

/** What Temporal's pages show: the goal on one line, and each persona once. */
function shownOf({ requested, pins }: DecidedRun): RunRowDraft["shown"] {
  const personas = (pins?.personas ?? []).map(({ id = "", version = "" }) => ({ id, version }));
  return {
    goal: shownText((requested.goal ?? "").replaceAll(/\s+/g, " ").trim(), maxGoalLength),
    personas: [...new Map(personas.map((persona) => [`${persona.id}@${persona.version}`, persona])).values()],
  };
}

/** The index rows of a run's references: each one and its parents, once. */
function referenceRowsOf(references: ReferencesJson): RunRowDraft["referenceRows"] {
  const rows = everyRef(references)
    .flatMap(withParents)
    .map(({ kind = "", id = "" }) => ({ kind, id }));
  return [...new Map(rows.map((row) => [`${row.kind} ${row.id}`, row])).values()];
}

function withParents(ref: RefJson): RefJson[] {
  return ref.parent === undefined ? [ref] : [ref, ...withParents(ref.parent)];
}
