import { randomUUID } from "node:crypto";
import type { Operator } from "../../config/operator.ts";
import { createDecideByDeclarations } from "../../definitions/declarations.ts";
import { isDataError } from "../../drivers/postgres/in-scope.ts";
import type { AcceptCall } from "../../requests/accept-call.ts";
import { createAcceptCall } from "../../requests/accept-call.ts";
import type { AcceptEvents } from "../../requests/accept-events.ts";
import { createAcceptEvents } from "../../requests/accept-events.ts";
import { createListPlatformDeliveries } from "../../requests/list-platform-deliveries.ts";
import { createListRequests } from "../../requests/list-requests.ts";
import type { ReplayRequest } from "../../requests/replay-request.ts";
import { createReplayRequest } from "../../requests/replay-request.ts";
import { createRerunRun } from "../../requests/rerun-run.ts";
import { createStartRun } from "../../requests/start-run.ts";
import { createTestRule } from "../../requests/test-rule.ts";
import type { InScope } from "../../tenancy/transaction.ts";

/**
 * Requests made through the api, and the ledger of all requests.
 * @param deps.onDecided - called after each request, also a failed one: a run may wait for its start, and events for publication
 */
export function wireRequests(deps: {
  readonly inScope: InScope;
  readonly inReadScope: InScope;
  readonly operator: Operator;
  readonly now: () => Date;
  readonly onDecided: () => void;
}) {
  const { inScope, inReadScope, operator, now, onDecided } = deps;
  const deciding = {
    inScope,
    decideByDeclarations: createDecideByDeclarations(),
    operator: { knownRoles: operator.roles, workspaces: operator.workspaces, runs: operator.runs },
    newId: randomUUID,
    now,
  };
  const accept = createAcceptCall(deciding);
  const acceptPosted = createAcceptEvents({ ...deciding, isDataError });
  const acceptCall: AcceptCall = (asked, who) => accept(asked, who).finally(onDecided);
  const acceptEvents: AcceptEvents = (posted, who) => acceptPosted(posted, who).finally(onDecided);
  const replay = createReplayRequest(deciding);
  const replayRequest: ReplayRequest = (asked, who) => replay(asked, who).finally(onDecided);
  return {
    acceptEvents,
    replayRequest,
    testRule: createTestRule(deciding),
    startRun: createStartRun(acceptCall),
    rerunRun: createRerunRun({ inScope, acceptCall }),
    listRequests: createListRequests({ inScope: inReadScope }),
    listPlatformDeliveries: createListPlatformDeliveries({ inScope: inReadScope }),
  };
}
