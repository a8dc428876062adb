import { isDeepStrictEqual } from "node:util";
import type { DecideByDeclarations } from "../definitions/declarations.ts";
import type { Reason } from "../definitions/rejection-reason.ts";
import { reason } from "../definitions/rejection-reason.ts";
import type { ReasonJson } from "../gen/automation/v1/run_event_pb.ts";
import type {
  ReplayRunRequestRequest,
  ReplayRunRequestResponseJson,
} from "../gen/workflows_runtime/v1/request_service_pb.ts";
import { insertRuns } from "../runs/new-run-store.ts";
import { insertRecords } from "../runs/outbox/outbox-store.ts";
import { beginAccept } from "../telemetry/run-spans.ts";
import type { Principal } from "../tenancy/request-context.ts";
import type { InScope } from "../tenancy/transaction.ts";
import { RejectedRequestError } from "./accept-call.ts";
import { buildRow } from "./build-row.ts";
import type { OperatorRules } from "./decide-request.ts";
import { decideRequest } from "./decide-request.ts";
import type { DecisionRow } from "./decision-store.ts";
import { eventOf } from "./event-of-decision.ts";
import { findRequest } from "./find-request.ts";
import { deliveryToJson } from "./list-requests.ts";
import { insertReplay } from "./request-store.ts";

/**
 * Decides once more about a request that made no run. The decision is recorded when it is another one, and makes a run when it accepts.
 * @throws UnknownRequestError, AmbiguousEventError, RejectedRequestError when the request can't be replayed
 */
export type ReplayRequest = (
  asked: Pick<ReplayRunRequestRequest, "requestId" | "eventId" | "source" | "dryRun">,
  who: Principal,
) => Promise<ReplayRunRequestResponseJson>;

export function createReplayRequest(deps: {
  readonly inScope: InScope;
  readonly decideByDeclarations: DecideByDeclarations;
  readonly operator: OperatorRules;
  readonly newId: () => string;
  readonly now: () => Date;
}): ReplayRequest {
  return (asked, who) =>
    deps.inScope(who, async (transaction) => {
      const now = deps.now();
      const found = await findRequest(transaction, who.tenant, asked);
      if ("quarantined" in found) throw new RejectedRequestError([unread(asked.eventId)]);
      const before = found.decisions.at(-1) ?? found.decisions[0];
      const obstacle = obstacleOf(before);
      if (obstacle !== undefined) throw new RejectedRequestError([obstacle]);
      const event = eventOf(before, who.tenant);
      const number = before.decision + 1;
      const position = `replay:${deps.newId()}`;
      const [decided] = await deps.decideByDeclarations(transaction, [
        {
          tenant: who.tenant,
          decide: (declarations) => {
            const decision = decideRequest(event, declarations, { operator: deps.operator, now });
            const accepting = beginAccept(event, { at: now, producedAt: undefined });
            const at = { position, now, trace: accepting.trace, decision: number };
            return { decision, accepting, row: buildRow(event, decision, at) };
          },
        },
      ]);
      if (decided === undefined) throw new Error("one decision was asked for, and none was made");
      const { decision, accepting, row } = decided;
      const isOther =
        row.disposition !== before.disposition ||
        !isDeepStrictEqual(row.reasons.map(factOf), before.reasons.map(factOf));
      const recorded = isOther && !asked.dryRun;
      if (recorded) {
        if (!(await insertReplay(transaction, row, number))) throw new RejectedRequestError([meanwhile(before)]);
        await insertRuns(transaction, row.run === undefined ? [] : [row.run]);
        await insertRecords(transaction, row.records);
        accepting.end(row.disposition, row.run?.run);
      }
      const { version } = decision.disposition === "accepted" ? decision.run : {};
      return {
        before: deliveryToJson(before),
        now: deliveryToJson({
          ...row,
          reasons: [...row.reasons],
          droppedFields: [...row.droppedFields],
          receivedAt: now,
          ...(recorded ? {} : { requestId: null, runId: null, position: "" }),
        }),
        recorded,
        rulesTried: [...decision.tried],
        ...(version && { definitionId: version.definitionId, definitionVersion: version.version }),
      };
    });
}

/** What a reason is about; its words may tell the time, or show the data in another order. */
const factOf = ({ code, field }: ReasonJson) => [code, field];

function obstacleOf({ requestId, runId, source }: DecisionRow): Reason | undefined {
  if (runId !== null)
    return reason(
      "has_run",
      "request_id",
      requestId,
      `has run ${runId}, and a request has one run`,
      `run it again with \`automation run rerun ${runId}\``,
    );
  if (source.startsWith("api:"))
    return reason(
      "was_answered",
      "request_id",
      requestId,
      "was a call, which got its answer",
      "call again under a new request_id",
    );
  return undefined;
}

const unread = (eventId: string): Reason =>
  reason(
    "not_kept",
    "event_id",
    eventId,
    "could not be read as far as its data, so nothing is kept to decide about",
    "take the original from topic automation.run.requested.quarantine, correct it and publish it",
  );

const meanwhile = ({ requestId }: DecisionRow): Reason =>
  reason(
    "decided_meanwhile",
    "request_id",
    requestId,
    "was decided by another call at the same time",
    `see what came of it with \`automation request explain ${requestId}\``,
  );
