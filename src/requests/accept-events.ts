import type { DecideByDeclarations } from "../definitions/declarations.ts";
import type { Reason } from "../definitions/rejection-reason.ts";
import { reason } from "../definitions/rejection-reason.ts";
import { deliveryDecided } from "../telemetry/metrics/request-metrics.ts";
import { beginAccept } from "../telemetry/run-spans.ts";
import type { Principal } from "../tenancy/request-context.ts";
import type { InScope } from "../tenancy/transaction.ts";
import { buildRow } from "./build-row.ts";
import type { CloudEvent } from "./cloudevent.ts";
import { decodeCloudEvent } from "./cloudevent.ts";
import type { OperatorRules } from "./decide-request.ts";
import { decideRequest } from "./decide-request.ts";
import type { Delivery } from "./delivery.ts";
import { eventsOf } from "./event-batch.ts";
import { conflictReason } from "./governance-record.ts";
import { recordRequests } from "./record-requests.ts";
import type { TraceContext } from "./trace-context.ts";
import { traceContextOf } from "./trace-context.ts";

/** What became of an event that was posted to the api. */
export interface EventAnswer {
  /** The event's; empty when it can't be read. */
  readonly id: string;
  /** `refused`: nothing was recorded, so the same event may be posted again once it is corrected. */
  readonly disposition: "accepted" | "duplicate" | "conflict" | "filtered" | "rejected" | "refused";
  readonly requestId?: string;
  readonly runId?: string;
  readonly reasons: readonly Reason[];
}

/** @returns one answer, for a single event or a batch that can't be taken apart; or one for each event of a batch, in its order */
export type AcceptEvents = (
  posted: Pick<Delivery, "headers" | "body"> & {
    /** W3C trace context of the post, as received: of events that have none. */
    readonly trace: TraceContext;
  },
  who: Principal,
) => Promise<EventAnswer | readonly EventAnswer[]>;

/** The one that this door takes. */
const requestedType = "automation.run.requested.v1";
const sourceLimit = 500;

/** Accepts events that somebody with a token posts, as those from a bus are accepted. What can't be read is answered and not quarantined. */
export function createAcceptEvents(deps: {
  readonly inScope: InScope;
  readonly decideByDeclarations: DecideByDeclarations;
  readonly operator: OperatorRules;
  /** Whether Postgres refused the rows themselves. */
  readonly isDataError: (error: unknown) => boolean;
  readonly newId: () => string;
  readonly now: () => Date;
}): AcceptEvents {
  const accept = async (events: readonly Delivery[], who: Principal, trace: TraceContext): Promise<EventAnswer[]> => {
    try {
      return await write(deps, events, who, trace);
    } catch (error) {
      if (!deps.isDataError(error)) throw error;
      if (events.length === 1) return [refused("", [unstorable])];
      const answers: EventAnswer[] = [];
      for (const event of events) answers.push(...(await accept([event], who, trace)));
      return answers;
    }
  };
  return async ({ trace, ...posted }, who) => {
    const position = `api:${deps.newId()}`;
    const whole: Delivery = { ...posted, bus: "api", cluster: "", topic: "events", key: null, position };
    const events = eventsOf(whole);
    const answers = await accept(events, who, traceContextOf(trace.traceparent, trace.tracestate));
    for (const { disposition, reasons } of answers)
      deliveryDecided(disposition, disposition === "accepted" ? "" : (reasons[0]?.code ?? ""));
    const [only] = answers;
    return events[0] === whole && only !== undefined ? only : answers;
  };
}

async function write(
  deps: Parameters<typeof createAcceptEvents>[0],
  events: readonly Delivery[],
  who: Principal,
  trace: TraceContext,
): Promise<EventAnswer[]> {
  const now = deps.now();
  const read = events.map((delivery) => readEvent(delivery, who, trace));
  const asked = read.flatMap((each, at) => ("event" in each ? [{ at, event: each.event }] : []));
  const answers = new Map(read.flatMap((each, at) => ("refusal" in each ? [[at, each.refusal] as const] : [])));
  if (asked.length === 0) return read.flatMap((_, at) => answers.get(at) ?? []);
  await deps.inScope(who, async (transaction) => {
    const decided = await deps.decideByDeclarations(
      transaction,
      asked.map(({ at, event }) => ({
        tenant: who.tenant,
        decide: (declarations) => {
          const decision = decideRequest(event, declarations, { operator: deps.operator, now });
          const position = events[at]?.position ?? "";
          const accepting = beginAccept(event, { at: now, producedAt: undefined });
          return {
            at,
            id: event.id,
            row: buildRow(event, decision, { position, now, trace: accepting.trace }),
            accepting,
          };
        },
      })),
    );
    const kept = decided.filter(({ row }) => row.disposition !== "quarantined");
    for (const { at, id, row, accepting } of decided) {
      if (row.disposition !== "quarantined") continue;
      accepting.end(row.disposition, undefined);
      answers.set(at, refused(id, row.reasons));
    }
    const seen = await recordRequests(
      transaction,
      kept.map(({ row }) => row),
      now,
    );
    for (const { index, seen: what, requestId, runId } of seen) {
      const found = kept[index];
      if (found === undefined) continue;
      const { at, id, row, accepting } = found;
      const disposition =
        what === "first" && row.disposition !== "quarantined"
          ? row.disposition
          : what === "conflict"
            ? what
            : "duplicate";
      accepting.end(disposition, row.run?.run);
      answers.set(at, {
        id,
        disposition,
        ...(what === "conflict" ? {} : { requestId, ...(runId === null ? {} : { runId }) }),
        reasons: what === "conflict" ? [conflictReason(id)] : what === "first" ? row.reasons : [],
      });
    }
  });
  return read.flatMap((_, at) => answers.get(at) ?? []);
}

function readEvent(
  delivery: Delivery,
  who: Principal,
  trace: TraceContext,
): { readonly event: CloudEvent } | { readonly refusal: EventAnswer } {
  const decoded = decodeCloudEvent(delivery);
  if ("cause" in decoded) return { refusal: refused(decoded.claims.id ?? "", decoded.reasons) };
  const { event } = decoded;
  const source = `events:${who.subject}#${event.source.replaceAll("%", "%25").replaceAll("#", "%23")}`;
  const reasons = [
    ...foreign("foreign_tenant", "tenantid", event.tenant, who.tenant),
    ...foreign("foreign_org", "orgid", event.org, who.org),
    ...foreign("foreign_type", "type", event.type, requestedType),
    ...(source.length > sourceLimit ? [longSource(event.source)] : []),
  ];
  return reasons.length > 0
    ? { refusal: refused(event.id, reasons) }
    : { event: { ...(event.traceparent === undefined ? { ...event, ...trace } : event), source } };
}

const refused = (id: string, reasons: readonly Reason[]): EventAnswer => ({ id, disposition: "refused", reasons });

const foreign = (code: string, field: string, value: string, right: string): Reason[] =>
  value === right
    ? []
    : [reason(code, field, value, `must be ${right} in this call`, "correct it, or call as who may speak for it")];

const longSource = (source: string): Reason =>
  reason(
    "invalid_attribute",
    "source",
    source,
    `must have at most ${sourceLimit} characters beside the caller's name`,
    "shorten it",
  );

const unstorable = reason(
  "unstorable",
  "data",
  "",
  "must be storable, and the database refused a value",
  "correct the value and send it again",
);
