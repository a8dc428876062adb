import { toJson } from "@bufbuild/protobuf";
import type { WorkflowRule } from "../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import { WorkflowRuleSchema } from "../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import type { Principal } from "../tenancy/request-context.ts";
import type { InScope } from "../tenancy/transaction.ts";
import { bumpRevision } from "./declaration-revision-store.ts";
import { countOtherRules, upsertRule } from "./rule-store.ts";

/** Most rules of one profile: every decision reads all of them. */
const mostRules = 100;

/** The profile has the most rules that it may have. */
class TooManyRulesError extends Error {
  override readonly name = "TooManyRulesError";
  readonly code = "too_many_rules";
  constructor(profileId: string) {
    super(`profile_id "${profileId}" has ${mostRules} rules, and may have no more; replace one of them by its id`);
  }
}

export type PutRule = (rule: WorkflowRule, who: Principal) => Promise<void>;

/** Creates or replaces a rule. It applies to requests that arrive afterwards. @throws TooManyRulesError */
export function createPutRule(deps: { readonly inScope: InScope }): PutRule {
  return (message, who) => {
    const { tenant, subject } = who;
    const rule = toJson(WorkflowRuleSchema, message);
    const { id, profileId } = message;
    return deps.inScope(who, async (transaction) => {
      if ((await countOtherRules(transaction, { tenant, id, profileId })) >= mostRules)
        throw new TooManyRulesError(profileId);
      await upsertRule(transaction, { tenant, id, priority: message.priority, rule, by: subject });
      await bumpRevision(transaction, tenant);
    });
  };
}
