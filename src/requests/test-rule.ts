import { setImmediate } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { toJson } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { DecideByDeclarations, Declarations } from "../definitions/declarations.ts";
import type { DispositionJson } from "../gen/workflows_runtime/v1/delivery_pb.ts";
import type { WorkflowRule, WorkflowRuleJson } from "../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import { WorkflowRuleSchema } from "../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import type {
  RuleTestChangeJson,
  RuleTestDecisionJson,
  TestWorkflowRuleRequest,
  TestWorkflowRuleResponseJson,
} from "../gen/workflows_runtime/v1/workflow_service_pb.ts";
import { assertRule } from "../rules/put-rule.ts";
import { decodePageToken, encodePageToken, pageSizeOf } from "../tenancy/page-token.ts";
import type { InScope, Scope } from "../tenancy/transaction.ts";
import type { Decision, OperatorRules } from "./decide-request.ts";
import { decideRequest } from "./decide-request.ts";
import type { DecisionRow } from "./decision-store.ts";
import { listFirstDecisions } from "./decision-store.ts";
import { eventOf } from "./event-of-decision.ts";

/** Requests that are decided without a pause for other calls: a costly rule takes up to 50 ms for each. */
const decidedAtOnce = 5;
/** After this time a page ends with the requests that it has. */
const pageMs = 1_000;

/**
 * Decides recorded requests by the rules of today, and again with a draft among them. Each is decided as of the time when it came.
 * @throws InvalidDeclarationError, LimitIdRepeatedError, InvalidPageTokenError
 */
export type TestRule = (
  asked: Pick<TestWorkflowRuleRequest, "since" | "until" | "pageSize" | "pageToken"> & { readonly rule: WorkflowRule },
  scope: Scope,
) => Promise<TestWorkflowRuleResponseJson>;

export function createTestRule(deps: {
  readonly inScope: InScope;
  readonly decideByDeclarations: DecideByDeclarations;
  readonly operator: OperatorRules;
  readonly now: () => Date;
}): TestRule {
  return async ({ rule, since, until, pageSize, pageToken }, scope) => {
    assertRule(rule);
    const draft = toJson(WorkflowRuleSchema, { ...rule, shadow: false }); // of a rule in shadow, what it would decide
    const began = deps.now();
    const span = {
      since: since === undefined ? began : timestampDate(since),
      until: until === undefined ? began : timestampDate(until),
      after: decodePageToken(pageToken),
    };
    const size = pageSizeOf(pageSize);
    return deps.inScope(scope, async (transaction) => {
      const rows = await listFirstDecisions(transaction, scope.tenant, span, size + 1);
      const both: { readonly row: DecisionRow; readonly before: Decision; readonly after: Decision }[] = [];
      while (both.length < Math.min(size, rows.length)) {
        const some = rows.slice(both.length, Math.min(size, both.length + decidedAtOnce));
        const decided = await deps.decideByDeclarations(
          transaction,
          some.map((row) => ({
            tenant: scope.tenant,
            decide: (declarations) => {
              const event = eventOf(row, scope.tenant);
              const by = { operator: deps.operator, now: row.receivedAt };
              const before = decideRequest(event, declarations, by);
              return { row, before, after: decideRequest(event, withDraft(declarations, draft), by) };
            },
          })),
        );
        both.push(...decided);
        if (deps.now().getTime() - began.getTime() > pageMs) break;
        await setImmediate();
      }
      const last = both.at(-1)?.row;
      return {
        examined: both.length,
        matched: both.filter(({ after }) => hasResult(after, draft, "RULE_RESULT_MATCHED")).length,
        failed: both.filter(({ after }) => hasResult(after, draft, "RULE_RESULT_FAILED")).length,
        changes: both.flatMap(changeOf),
        nextPageToken:
          rows.length > both.length && last !== undefined
            ? encodePageToken({ at: last.receivedAt, id: last.requestId ?? "" })
            : "",
      };
    });
  };
}

/** The declarations as they would be with the draft. */
function withDraft(declarations: Declarations, draft: WorkflowRuleJson): Declarations {
  const place = ({ priority = 0, id = "" }: WorkflowRuleJson) => [priority, id] as const;
  const inOrder = (left: WorkflowRuleJson, right: WorkflowRuleJson): number => {
    const [[a, x], [b, y]] = [place(left), place(right)];
    return a - b || (x < y ? -1 : 1);
  };
  return {
    ...declarations,
    rules(profileId) {
      const others = declarations.rules(profileId).filter(({ id }) => id !== draft.id);
      return profileId === draft.profileId ? [...others, draft].toSorted(inOrder) : others;
    },
  };
}

const hasResult = ({ tried }: Decision, { id }: WorkflowRuleJson, result: string): boolean =>
  tried.some((each) => each.ruleId === id && each.result === result);

function changeOf({
  row,
  before,
  after,
}: {
  readonly row: DecisionRow;
  readonly before: Decision;
  readonly after: Decision;
}): RuleTestChangeJson[] {
  const [was, would] = [decisionToJson(before), decisionToJson(after)];
  if (isDeepStrictEqual(was, would)) return [];
  const { requestId, source, eventId, receivedAt } = row;
  return [
    {
      requestId: requestId ?? "",
      ...{ source, eventId, receivedAt: receivedAt.toISOString() },
      ...{ before: was, after: would },
    },
  ];
}

function decisionToJson(decision: Decision): RuleTestDecisionJson {
  const disposition = `DISPOSITION_${decision.disposition.toUpperCase()}` as DispositionJson;
  if (decision.disposition !== "accepted") return { disposition, reasons: [...decision.reasons] };
  const { rule, version, priority, queueKeys } = decision.run;
  return {
    disposition,
    ruleId: rule?.id ?? "",
    definitionId: version.definitionId,
    definitionVersion: version.version,
    priority,
    queueKeys: [...queueKeys],
  };
}
