import type { RunRequestedJson } from "../gen/automation/v1/run_requested_pb.ts";
import type { ProfileJson } from "../gen/governance/v1/profile_pb.ts";
import type { RuleTriedJson } from "../gen/workflows_runtime/v1/rule_tried_pb.ts";
import type { WorkflowRuleJson } from "../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import { cutText } from "../text/strangers-text.ts";
import type { Budget, Expression } from "./cel/compile-expression.ts";
import { compileCondition, fullBudget } from "./cel/compile-expression.ts";
import type { RuleInput } from "./cel/rule-input.ts";

/** @returns whether an org may use a declared thing: it lists the org, or no org at all */
export function isFor(org: string, { orgs = [] }: { readonly orgs?: readonly string[] }): boolean {
  return orgs.length === 0 || orgs.includes(org);
}

/** The definition that a request gets, and the rule that chose it, if one did. */
export interface DefinitionChoice {
  readonly rule?: WorkflowRuleJson;
  readonly definition: { readonly id: string; readonly version?: string; readonly channel?: string };
}

/** What the rules make of a request. A rule that fails is no rule that doesn't match: nobody knows what it would have said, so nothing is chosen. */
export interface RulesTried {
  /** In their order, up to the one that matched or failed. */
  readonly tried: readonly RuleTriedJson[];
  /** The last one of `tried`, when it failed and is not in shadow. */
  readonly failed?: WorkflowRuleJson & { readonly why: string };
  /** Absent when a rule failed, and when nothing names a definition: then the request is filtered. */
  readonly choice?: DefinitionChoice;
}

/**
 * The first rule of the org whose profile and condition match (its definition, or the profile's binding when it has none), else the event's own definition, else the profile's binding for the work kind.
 * @param rules - in order of their priority
 */
export function chooseDefinition(
  rules: readonly WorkflowRuleJson[],
  request: RunRequestedJson,
  {
    org,
    profile,
    input,
  }: { readonly org: string; readonly profile: ProfileJson | undefined; readonly input: RuleInput },
): RulesTried {
  const tried: RuleTriedJson[] = [];
  const budget = fullBudget();
  const shadowBudget = fullBudget(); // their own, so that they take nothing from the rules that decide
  for (const rule of rules.filter(({ profileId }) => profileId === request.profile?.id)) {
    if (rule.shadow) {
      tried.push({ ...tryRule(rule, org, input, shadowBudget), shadow: true });
      continue;
    }
    const one = tryRule(rule, org, input, budget);
    tried.push(one);
    if (one.result === "RULE_RESULT_FAILED") return { tried, failed: { ...rule, why: one.why ?? "" } };
    if (one.result !== "RULE_RESULT_MATCHED") continue;
    const definition = named(rule) ?? boundBy(profile, request);
    return definition === undefined ? { tried } : { tried, choice: { rule, definition } };
  }
  const definition = named(request) ?? boundBy(profile, request);
  return definition === undefined ? { tried } : { tried, choice: { definition } };
}

type Definition = DefinitionChoice["definition"];

const named = ({ definition }: Pick<WorkflowRuleJson, "definition">): Definition | undefined =>
  definition?.id === undefined ? undefined : { ...definition, id: definition.id };

function boundBy(profile: ProfileJson | undefined, { workKind }: RunRequestedJson): Definition | undefined {
  const bound = profile?.bindings?.find((binding) => binding.workKind === workKind);
  return bound?.definitionId === undefined ? undefined : { id: bound.definitionId, channel: bound.channel };
}

function tryRule(rule: WorkflowRuleJson, org: string, input: RuleInput, budget: Budget): RuleTriedJson {
  const tried = { ruleId: rule.id ?? "", version: rule.version ?? 0 };
  if (!isFor(org, rule)) return { ...tried, result: "RULE_RESULT_OTHER_ORG" };
  try {
    const isMatch = conditionOf(rule)?.evaluate(input, budget) ?? true;
    return { ...tried, result: isMatch ? "RULE_RESULT_MATCHED" : "RULE_RESULT_CONDITION_FALSE" };
  } catch (error) {
    const why = cutText(error instanceof Error ? error.message : String(error), 500);
    return { ...tried, result: "RULE_RESULT_FAILED", why };
  }
}

/** Rules come from a cache, as the same object until they change: each condition is compiled once. */
const conditions = new WeakMap<WorkflowRuleJson, Expression<boolean>>();

function conditionOf(rule: WorkflowRuleJson): Expression<boolean> | undefined {
  if (rule.when === undefined) return undefined;
  const known = conditions.get(rule);
  if (known !== undefined) return known;
  const condition = compileCondition(rule.when);
  conditions.set(rule, condition);
  return condition;
}
