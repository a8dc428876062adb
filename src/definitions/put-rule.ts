import { toJson } from "@bufbuild/protobuf";
import type { WorkflowRule } from "../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import { WorkflowRuleSchema } from "../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import type { Principal } from "../tenancy/request-context.ts";
import type { InScope } from "../tenancy/transaction.ts";
import { bumpRevision } from "./declaration-revision-store.ts";
import { countOtherRules, upsertRule } from "./rule-store.ts";

/** Whoever decides reads all rules of a profile. */
const mostRules = 100;

/** A profile has as many rules as one may have. */
export class TooManyRulesError extends Error {
  override readonly name = "TooManyRulesError";
  readonly code = "too_many_rules";
  constructor(profileId: string) {
    super(`profile_id "${profileId}" has ${mostRules} rules, and may have no more; replace one of them by its id`);
  }
}

export type PutRule = (rule: WorkflowRule, who: Principal) => Promise<void>;

/** Creates or replaces a rule; requests that are accepted from then on are asked by it. @throws TooManyRulesError */
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
