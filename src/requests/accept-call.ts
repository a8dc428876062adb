import type { DecideByDeclarations } from "../definitions/declarations.ts";
import type { Reason } from "../definitions/rejection-reason.ts";
import { reason } from "../definitions/rejection-reason.ts";
import type { RunRequestedJson } from "../gen/automation/v1/run_requested_pb.ts";
import { deliveryDecided } from "../telemetry/metrics/request-metrics.ts";
import { currentTrace } from "../telemetry/spans.ts";
import type { Principal } from "../tenancy/request-context.ts";
import type { InScope } from "../tenancy/transaction.ts";
import { buildRow } from "./build-row.ts";
import type { CloudEvent } from "./cloudevent.ts";
import type { FixedVersions, OperatorRules } from "./decide-request.ts";
import { decideRequest } from "./decide-request.ts";
import { recordRequests } from "./record-requests.ts";
import type { TraceContext } from "./trace-context.ts";
import { traceContextOf } from "./trace-context.ts";

/** The request was read, but it can't become a run; `reasons` has every reason. */
export class RejectedRequestError extends Error {
  override readonly name = "RejectedRequestError";
  readonly code = "rejected_request";
  readonly reasons: readonly Reason[];
  constructor(reasons: readonly Reason[]) {
    super(`the request can't become a run, for ${reasons.length} ${reasons.length === 1 ? "reason" : "reasons"}`);
    this.reasons = reasons;
  }
}

/** The request id was used before with another payload. */
export class ConflictingRequestError extends Error {
  override readonly name = "ConflictingRequestError";
  readonly code = "conflicting_request";
  constructor(requestId: string) {
    super(`request_id "${requestId}" was used before with another request; use a new id for another request`);
  }
}

/** What a call asks for. */
export interface AskedRun {
  /** Chosen by the client: the event id. */
  readonly requestId: string;
  readonly requested: RunRequestedJson;
  readonly correlationId?: string;
  readonly causationId?: string;
  /** W3C trace context of the call, as received. */
  readonly trace: TraceContext;
  readonly fixed?: FixedVersions;
  readonly rerunOf?: string;
}

export interface AnsweredCall {
  readonly runId: string;
  readonly disposition: "accepted" | "duplicate";
}

/**
 * Accepts a call of the api as an event from the bus is accepted: `request_id` is the event id, the principal is the source.
 * @throws RejectedRequestError, ConflictingRequestError
 */
export type AcceptCall = (asked: AskedRun, who: Principal) => Promise<AnsweredCall>;

export function createAcceptCall(deps: {
  readonly inScope: InScope;
  readonly decideByDeclarations: DecideByDeclarations;
  readonly operator: OperatorRules;
  readonly newId: () => string;
  readonly now: () => Date;
}): AcceptCall {
  return async ({ requestId, requested, trace, fixed, rerunOf, ...related }, who) => {
    const now = deps.now();
    const event: CloudEvent = {
      id: requestId,
      source: `api:${who.subject}`,
      type: "automation.run.requested.v1",
      tenant: who.tenant,
      org: who.org,
      data: requested,
      ...related,
      ...traceContextOf(trace.traceparent, trace.tracestate),
    };
    const { row, seen } = await deps.inScope(who, async (transaction) => {
      const position = `api:${deps.newId()}`;
      const [decided] = await deps.decideByDeclarations(transaction, [
        {
          tenant: who.tenant,
          decide: (declarations) =>
            buildRow(event, decideRequest(event, declarations, { operator: deps.operator, now, fixed }), {
              position,
              now,
              trace: currentTrace(),
              rerunOf,
            }),
        },
      ]);
      if (decided === undefined) throw new Error("one decision was asked for, and none was made");
      const [found] = await recordRequests(transaction, [decided], now);
      return { row: decided, seen: found };
    });
    if (seen !== undefined)
      deliveryDecided(seen.seen === "first" ? row.disposition : seen.seen, row.reasons[0]?.code ?? "");
    if (seen?.seen === "conflict") throw new ConflictingRequestError(requestId);
    if (seen?.runId) return { runId: seen.runId, disposition: seen.seen === "first" ? "accepted" : "duplicate" };
    throw new RejectedRequestError(
      row.reasons.length > 0
        ? row.reasons
        : [
            reason(
              "already_rejected",
              "request_id",
              requestId,
              "this request was refused before",
              "ask again under a new request_id",
            ),
          ],
    );
  };
}
