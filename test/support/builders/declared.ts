import { create, fromJson } from "@bufbuild/protobuf";
import type { WorkspaceRules } from "../../../src/definitions/policy/workspace-rules.ts";
import { createPublishVersion } from "../../../src/definitions/publish-definition.ts";
import { createPublishProfile } from "../../../src/definitions/publish-profile.ts";
import { AutomationPlanSchema } from "../../../src/gen/automation/v1/automation_plan_pb.ts";
import type { ProfileJson } from "../../../src/gen/governance/v1/profile_pb.ts";
import { ProfileSchema } from "../../../src/gen/governance/v1/profile_pb.ts";
import { PublishWorkflowVersionRequestSchema } from "../../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import type { TimeLimits } from "../../../src/runs/time-limits.ts";
import type { Principal } from "../../../src/tenancy/request-context.ts";
import type { InScope, Scope } from "../../../src/tenancy/transaction.ts";

/** Where tests work in a tenant, unless they say otherwise. */
export const scopeOf = (tenant: string): Scope => ({ tenant, org: "retail" });

export const aPrincipal = (tenant: string): Principal => ({ ...scopeOf(tenant), subject: "ada", roles: ["admin"] });

/** What the operator says about work in boxes unless a test says otherwise. */
export const workspaces: WorkspaceRules = {
  isolation: ["ISOLATION_CLASS_UID"],
  policy: {
    commands: { deny: ["curl"] },
    paths: { deny: [".github/workflows/**"] },
    limits: {
      ...{ memoryBytes: "1073741824", processes: 64, outputBytes: "1048576", diskBytes: "1073741824" },
      ...{ stepTime: "60s", idleTime: "30s", patchBytes: "1048576", changedFiles: 100 },
    },
  },
  tenants: {},
};

/** A Scrum profile whose gate asks for the run's own record. */
export const aProfile = (over: ProfileJson = {}): ProfileJson => ({
  id: "team",
  version: "1",
  method: "scrum",
  roles: [{ role: "developer", holders: ["ada"] }],
  requiredReferences: ["sprint", "backlog_item"],
  bindings: [{ workKind: "story", definitionId: "evidence", channel: "stable" }],
  gates: [
    {
      id: "definition_of_done",
      requirements: [{ id: "recorded", kind: "agent-run", minCount: 1, outcome: "COMPLETED", remedy: "run it again" }],
    },
  ],
  completionGate: "definition_of_done",
  ...over,
});

/** What a request says unless a test says otherwise. */
export const aRequest = (over: Record<string, unknown> = {}) => ({
  profile: { id: "team" },
  context: { scrum: { product: "shop", sprint: "S-7", goals: ["faster"], backlogItems: ["PBI-1"] } },
  workKind: "story",
  goal: "show the evidence",
  ...over,
});

/** Publishes the definition `evidence` and the profile `team` for a tenant. */
export async function declare(inScope: InScope, tenant: string, profile: ProfileJson = aProfile()): Promise<void> {
  const who = aPrincipal(tenant);
  const publishVersion = createPublishVersion({ inScope });
  await publishVersion(
    create(PublishWorkflowVersionRequestSchema, {
      definitionId: "evidence",
      version: "1",
      channel: "stable",
      plan: create(AutomationPlanSchema),
    }),
    who,
  );
  const receivers = new Map([["scrum", "scrum"]]);
  await createPublishProfile({ inScope, methods: ["scrum"], receivers })(fromJson(ProfileSchema, profile), who);
}

/** Limits of time of runs whose plan names none. */
export const runs: TimeLimits = { queueLimitSeconds: 86_400, workLimitSeconds: 3_600, handoffLimitSeconds: 259_200 };
