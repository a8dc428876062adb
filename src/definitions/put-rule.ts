import { toJson } from "@bufbuild/protobuf";
import type { WorkflowRule } from "../gen/workflows_runtime/v1/workflow_service_pb.ts";
import { WorkflowRuleSchema } from "../gen/workflows_runtime/v1/workflow_service_pb.ts";
import type { Principal } from "../tenancy/request-context.ts";
import type { InScope } from "../tenancy/transaction.ts";
import { bumpRevision } from "./declaration-revision-store.ts";
import { upsertRule } from "./rule-store.ts";

export type PutRule = (rule: WorkflowRule, who: Principal) => Promise<void>;

/** Creates or replaces a rule; requests that are accepted from then on are asked by it. */
export function createPutRule(deps: { readonly inScope: InScope }): PutRule {
  return (message, who) => {
    const { tenant, subject } = who;
    const rule = toJson(WorkflowRuleSchema, message);
    return deps.inScope(who, async (transaction) => {
      await upsertRule(transaction, { tenant, id: message.id, priority: message.priority, rule, by: subject });
      await bumpRevision(transaction, tenant);
    });
  };
}
