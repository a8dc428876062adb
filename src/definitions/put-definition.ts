import { toJson } from "@bufbuild/protobuf";
import { AutomationPlanSchema } from "../gen/automation/v1/automation_plan_pb.ts";
import type { PublishWorkflowVersionRequest } from "../gen/workflows_runtime/v1/workflow_service_pb.ts";
import type { Principal } from "../tenancy/request-context.ts";
import type { InScope } from "../tenancy/transaction.ts";
import { canonicalDigest } from "../text/canonical-json.ts";
import { bumpRevision } from "./declaration-revision-store.ts";
import { findVersion, insertVersion, upsertDefinition } from "./definition-store.ts";
import { faultsOfPlan } from "./plan-rules.ts";
import { VersionExistsError } from "./version-exists-error.ts";

/** The plan can't be carried out as it stands; every fault names its field. */
export class InvalidPlanError extends Error {
  override readonly name = "InvalidPlanError";
  readonly code = "invalid_plan";
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(faults.join("; "));
    this.faults = faults;
  }
}

export type PublishVersion = (
  request: PublishWorkflowVersionRequest,
  who: Principal,
) => Promise<{ digest: string; created: boolean }>;

/** Stores a definition's version for ever and moves its channel. @throws VersionExistsError, InvalidPlanError */
export function createPublishVersion(deps: { readonly inScope: InScope }): PublishVersion {
  return async ({ definitionId, version, channel, title, plan: message }, who) => {
    const { tenant, subject } = who;
    if (message === undefined) throw new InvalidPlanError(["plan is required; an empty plan `{}` has no steps"]);
    const faults = faultsOfPlan(message);
    if (faults.length > 0) throw new InvalidPlanError(faults);
    const plan = toJson(AutomationPlanSchema, message);
    const digest = canonicalDigest(plan);
    return deps.inScope(who, async (transaction) => {
      await upsertDefinition(transaction, {
        tenant,
        id: definitionId,
        title,
        channels: channel === "" ? {} : { [channel]: version },
      });
      const created = await insertVersion(transaction, {
        tenant,
        definitionId,
        version,
        plan,
        digest,
        publishedBy: subject,
      });
      if (!created && (await findVersion(transaction, tenant, { id: definitionId, version }))?.digest !== digest)
        throw new VersionExistsError("definition", definitionId, version);
      await bumpRevision(transaction, tenant); // the channel may have moved
      return { digest, created };
    });
  };
}
