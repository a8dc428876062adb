import type { RunRequestedJson } from "../gen/automation/v1/run_requested_pb.ts";
import type { ProfileJson } from "../gen/governance/v1/profile_pb.ts";
import type { WorkflowRuleJson } from "../gen/workflows_runtime/v1/workflow_rule_pb.ts";

/** @returns whether an org may use a declared thing: it lists the org, or no org at all */
export function isFor(org: string, { orgs = [] }: { readonly orgs?: readonly string[] }): boolean {
  return orgs.length === 0 || orgs.includes(org);
}

/** The definition that a request gets, and the rule that chose it, if one did. */
export interface DefinitionChoice {
  readonly ruleId?: string;
  readonly definition: { readonly id: string; readonly version?: string; readonly channel?: string };
}

/**
 * The first rule of the org whose profile matches, else the event's own definition, else the profile's binding for the work kind.
 * @param rules - in order of their priority
 * @returns undefined when nothing names a definition: the request is filtered
 */
export function chooseDefinition(
  rules: readonly WorkflowRuleJson[],
  request: RunRequestedJson,
  { org, profile }: { readonly org: string; readonly profile: ProfileJson | undefined },
): DefinitionChoice | undefined {
  const rule = rules.find((each) => each.profileId === request.profile?.id && isFor(org, each));
  if (rule?.definition?.id !== undefined)
    return { ruleId: rule.id, definition: { ...rule.definition, id: rule.definition.id } };
  const own = request.definition;
  if (own?.id !== undefined) return { definition: { ...own, id: own.id } };
  const bound = profile?.bindings?.find((binding) => binding.workKind === request.workKind);
  if (bound?.definitionId !== undefined) return { definition: { id: bound.definitionId, channel: bound.channel } };
  return undefined;
}
