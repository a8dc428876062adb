import type {
  DefinitionChoiceJson,
  ExplainRunRequestRequest,
  ExplainRunRequestResponseJson,
} from "../gen/workflows_runtime/v1/request_service_pb.ts";
import type { ExplainedRow, RequestKey } from "../requests/delivery-store.ts";
import { findRequests, listDeliveries, listLater } from "../requests/delivery-store.ts";
import { deliveryToJson } from "../requests/list-requests.ts";
import type { WorkflowIdOf } from "../runs/run-json.ts";
import { runToJson } from "../runs/run-json.ts";
import { findRunWithHead } from "../runs/run-list-store.ts";
import { statusToJson } from "../runs/run-status.ts";
import type { RunRow } from "../runs/run-store.ts";
import { findSeal } from "../seal/seal-store.ts";
import type { InScope, Scope, Transaction } from "../tenancy/transaction.ts";
import { UnknownIdError } from "../tenancy/unknown-id-error.ts";
import { isUuid } from "../tenancy/uuid.ts";
import { shownText } from "../text/strangers-text.ts";
import { findHeldUp } from "./explain-store.ts";

/** Neither a request nor a quarantined delivery of the scope has this id. */
class UnknownRequestError extends UnknownIdError {
  override readonly name = "UnknownRequestError";
  readonly code = "unknown_request";
  constructor(field: string, id: string) {
    super(field, id, {
      rule: "the id of a request or an event of this tenant and org",
      remedy:
        "`automation request list` shows them; what was quarantined may be under org `*`, or in `automation delivery list`",
    });
  }
}

/** Several sources used the event id. */
class AmbiguousEventError extends Error {
  override readonly name = "AmbiguousEventError";
  readonly code = "ambiguous_event";
  constructor(eventId: string, sources: readonly string[]) {
    const named = sources.map((source) => `"${shownText(source, 100)}"`).join(", ");
    super(`event_id "${shownText(eventId, 100)}" was used by ${named}; name one of them as the source`);
  }
}

export type ExplainRequest = (
  asked: Pick<ExplainRunRequestRequest, "requestId" | "eventId" | "source">,
  scope: Scope,
) => Promise<ExplainRunRequestResponseJson>;

/**
 * Tells all that is known of one request, from its first delivery to the end of its run.
 * It stands in this room because it reads what requests, runs, seals and admission have stored.
 * @throws UnknownRequestError, AmbiguousEventError
 */
export function createExplainRequest(deps: {
  readonly inScope: InScope;
  readonly workflowIdOf: WorkflowIdOf;
}): ExplainRequest {
  return (asked, scope) =>
    deps.inScope(scope, async (transaction) => {
      const { tenant } = scope;
      const [field, id] = asked.requestId === "" ? ["event_id", asked.eventId] : ["request_id", asked.requestId];
      const found = await findOne(transaction, tenant, asked);
      if (found === undefined) {
        const quarantined = await findQuarantined(transaction, tenant, asked);
        if (quarantined === undefined) throw new UnknownRequestError(field, id);
        return { delivery: deliveryToJson(quarantined) };
      }
      const [later, run, seal, heldUp] = await Promise.all([
        listLater(transaction, tenant, found.requestId ?? ""),
        found.runId === null ? undefined : findRunWithHead(transaction, tenant, found.runId),
        found.runId === null ? undefined : findSeal(transaction, tenant, found.runId),
        found.runId === null ? undefined : findHeldUp(transaction, tenant, found.runId),
      ]);
      return {
        delivery: deliveryToJson(found),
        ...(found.eventTime === null ? {} : { eventTime: found.eventTime.toISOString() }),
        correlationId: found.correlationId ?? "",
        causationId: found.causationId ?? "",
        rulesTried: found.rulesTried,
        later: later.map(deliveryToJson),
        ...(run === undefined ? {} : { run: runToJson(run, deps.workflowIdOf), chosenBy: choiceOf(run) }),
        ...(seal === undefined || run?.endedAt === null ? {} : { cause: seal.cause }),
        ...(heldUp === undefined
          ? {}
          : { heldUp: { ...heldUp, status: statusToJson(heldUp.status), since: heldUp.since.toISOString() } }),
      };
    });
}

async function findOne(
  transaction: Transaction,
  tenant: string,
  { requestId, eventId, source }: Parameters<ExplainRequest>[0],
): Promise<ExplainedRow | undefined> {
  if (requestId !== "" && !isUuid(requestId)) return undefined;
  const key: RequestKey = requestId !== "" ? { requestId } : { eventId, source: source === "" ? null : source };
  const [first, ...others] = await findRequests(transaction, tenant, key);
  if (first !== undefined && others.length > 0)
    throw new AmbiguousEventError(eventId, [...new Set([first, ...others].map((each) => each.source))]);
  return first;
}

/** The newest delivery with this event id that made no request. */
async function findQuarantined(
  transaction: Transaction,
  tenant: string,
  { requestId, eventId, source }: Parameters<ExplainRequest>[0],
) {
  if (requestId !== "") return undefined;
  const rows = await listDeliveries(transaction, tenant, { disposition: "quarantined", eventId }, undefined, 100);
  return rows.find((row) => source === "" || row.source === source);
}

function choiceOf({ ruleId, requested }: RunRow): DefinitionChoiceJson {
  if (ruleId !== null) return "DEFINITION_CHOICE_RULE";
  return requested.definition === undefined ? "DEFINITION_CHOICE_PROFILE" : "DEFINITION_CHOICE_EVENT";
}
