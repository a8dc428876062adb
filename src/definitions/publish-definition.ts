import { toJson } from "@bufbuild/protobuf";
import { AutomationPlanSchema } from "../gen/automation/v1/automation_plan_pb.ts";
import type { PublishWorkflowVersionRequest } from "../gen/workflows_runtime/v1/workflow_service_pb.ts";
import type { Principal } from "../tenancy/request-context.ts";
import type { InScope } from "../tenancy/transaction.ts";
import { assertSameVersion } from "../tenancy/version-exists-error.ts";
import { canonicalDigest } from "../text/canonical-json.ts";
import { bumpRevision } from "./declaration-revision-store.ts";
import { findVersion, insertVersion, upsertDefinition } from "./definition-store.ts";
import { assertDeclarable, InvalidDeclarationError } from "./invalid-declaration-error.ts";
import { faultsOfPlan } from "./plan-rules.ts";

export type PublishVersion = (
  request: PublishWorkflowVersionRequest,
  who: Principal,
) => Promise<{ digest: string; created: boolean }>;

/** Stores a definition's version for ever and moves its channel. @throws InvalidDeclarationError, VersionExistsError */
export function createPublishVersion(deps: { readonly inScope: InScope }): PublishVersion {
  return async ({ definitionId, version, channel, title, plan: message }, who) => {
    const { tenant, subject } = who;
    if (message === undefined) throw new InvalidDeclarationError(["plan is required; an empty plan `{}` has no steps"]);
    assertDeclarable(faultsOfPlan(message));
    const plan = toJson(AutomationPlanSchema, message);
    const digest = canonicalDigest(plan);
    return deps.inScope(who, async (transaction) => {
      const channels = channel === "" ? {} : { [channel]: version };
      await upsertDefinition(transaction, { tenant, id: definitionId, title, channels });
      const stored = { tenant, definitionId, version, plan, digest, publishedBy: subject };
      const created = await insertVersion(transaction, stored);
      if (!created) {
        const known = await findVersion(transaction, tenant, { id: definitionId, version });
        assertSameVersion("definition", { id: definitionId, version, digest }, known);
      }
      await bumpRevision(transaction, tenant); // the channel may have moved
      return { digest, created };
    });
  };
}
