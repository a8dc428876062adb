import type {
  DefinitionChoiceJson,
  ExplainRunRequestResponseJson,
} from "../gen/workflows_runtime/v1/request_service_pb.ts";
import { listOthers } from "../requests/decision-store.ts";
import type { NamedRequest } from "../requests/find-request.ts";
import { findRequest } from "../requests/find-request.ts";
import { deliveryToJson } from "../requests/list-requests.ts";
import type { WorkflowIdOf } from "../runs/run-json.ts";
import { runToJson } from "../runs/run-json.ts";
import { findRunWithHead } from "../runs/run-list-store.ts";
import { statusToJson } from "../runs/run-status.ts";
import type { RunRow } from "../runs/run-store.ts";
import { findSeal } from "../seal/seal-store.ts";
import type { InScope, Scope } from "../tenancy/transaction.ts";
import { findHeldUp } from "./explain-store.ts";

export type ExplainRequest = (asked: NamedRequest, scope: Scope) => Promise<ExplainRunRequestResponseJson>;

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
      const found = await findRequest(transaction, tenant, asked);
      if ("quarantined" in found) return { delivery: deliveryToJson(found.quarantined) };
      const [first, ...replays] = found.decisions;
      const runId = found.decisions.find((decision) => decision.runId !== null)?.runId ?? null;
      const [later, run, seal, heldUp] = await Promise.all([
        listOthers(transaction, tenant, first),
        runId === null ? undefined : findRunWithHead(transaction, tenant, runId),
        runId === null ? undefined : findSeal(transaction, tenant, runId),
        runId === null ? undefined : findHeldUp(transaction, tenant, runId),
      ]);
      return {
        delivery: deliveryToJson(first),
        ...(first.eventTime === null ? {} : { eventTime: first.eventTime.toISOString() }),
        correlationId: first.correlationId ?? "",
        causationId: first.causationId ?? "",
        rulesTried: first.rulesTried,
        replays: replays.map(({ rulesTried, ...decision }) => ({ delivery: deliveryToJson(decision), rulesTried })),
        later: later.map(deliveryToJson),
        ...(run === undefined ? {} : { run: runToJson(run, deps.workflowIdOf), chosenBy: choiceOf(run) }),
        ...(seal === undefined || run?.endedAt === null ? {} : { cause: seal.cause }),
        ...(heldUp === undefined
          ? {}
          : { heldUp: { ...heldUp, status: statusToJson(heldUp.status), since: heldUp.since.toISOString() } }),
      };
    });
}

function choiceOf({ ruleId, requested }: RunRow): DefinitionChoiceJson {
  if (ruleId !== null) return "DEFINITION_CHOICE_RULE";
  return requested.definition === undefined ? "DEFINITION_CHOICE_PROFILE" : "DEFINITION_CHOICE_EVENT";
}
