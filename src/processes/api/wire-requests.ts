import { randomUUID } from "node:crypto";
import type { Operator } from "../../config/operator.ts";
import { createDecideByDeclarations } from "../../definitions/declarations.ts";
import { createListPlatformDeliveries } from "../../requests/list-platform-deliveries.ts";
import { createListRequests } from "../../requests/list-requests.ts";
import type { StartRun } from "../../requests/start-run.ts";
import { createStartRun } from "../../requests/start-run.ts";
import type { InScope } from "../../tenancy/transaction.ts";

/**
 * Requests made through the api, and the ledger of all requests.
 * @param deps.onDecided - called after each request, also a failed one: a run may wait for its start, and events for publication
 */
export function wireRequests(deps: {
  readonly inScope: InScope;
  readonly operator: Operator;
  readonly now: () => Date;
  readonly onDecided: () => void;
}) {
  const { inScope, operator, now, onDecided } = deps;
  const accept = createStartRun({
    inScope,
    decideByDeclarations: createDecideByDeclarations(),
    operator: { knownRoles: operator.roles, workspaces: operator.workspaces, runs: operator.runs },
    newId: randomUUID,
    now,
  });
  const startRun: StartRun = (request, who, trace) => accept(request, who, trace).finally(onDecided);
  return {
    startRun,
    listRequests: createListRequests({ inScope }),
    listPlatformDeliveries: createListPlatformDeliveries({ inScope }),
  };
}
