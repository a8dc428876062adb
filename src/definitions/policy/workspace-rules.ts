import { fromJson } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import type { IsolationClassJson, LimitsJson, PolicyJson } from "../../gen/automation/v1/policy_pb.ts";
import { LimitsSchema } from "../../gen/automation/v1/policy_pb.ts";
import type { PolicyLayer } from "./policy-layers.ts";
import { faultsOfPolicy } from "./policy-rules.ts";

/** The operator's part of the policy, and the isolation classes that exist. */
export interface WorkspaceRules {
  /** Classes that this installation has workers for. */
  readonly isolation: readonly IsolationClassJson[];
  /** The platform's layer; its limits are complete. */
  readonly policy: PolicyJson;
  /** The layer of each tenant that has one. */
  readonly tenants: Readonly<Record<string, PolicyJson>>;
}

/** @returns the operator's layers for a tenant, the platform's first */
export function operatorLayers({ policy, tenants }: WorkspaceRules, tenant: string): PolicyLayer[] {
  const own = Object.hasOwn(tenants, tenant) ? tenants[tenant] : undefined;
  return [{ layer: "platform", policy }, ...(own === undefined ? [] : [{ layer: "tenant", policy: own }])];
}

/** @throws Error that names every wrong field of the operator's policies */
export function assertWorkspaceRules({ policy, tenants }: WorkspaceRules): void {
  const faults = [
    ...missingLimits(policy.limits ?? {}),
    ...faultsOfPolicy(policy, "workspaces.policy"),
    ...Object.entries(tenants).flatMap(([tenant, own]) => faultsOfPolicy(own, `workspaces.tenants.${tenant}`)),
  ];
  if (faults.length > 0) throw new Error(faults.join("; "));
}

function missingLimits(json: LimitsJson): string[] {
  const limits = fromJson(LimitsSchema, json);
  const isSet = (limit: number | bigint | Duration | undefined): boolean =>
    typeof limit === "object" ? limit.seconds > 0n : limit !== undefined && limit > 0;
  return LimitsSchema.fields
    .filter((field) => !isSet(limits[field.localName as keyof LimitsJson]))
    .map(
      (field) => `workspaces.policy.limits.${field.jsonName} must be greater than 0: the platform bounds every step`,
    );
}
