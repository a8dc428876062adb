import { toJson } from "@bufbuild/protobuf";
import { bumpRevision } from "../definitions/declaration-revision-store.ts";
import { assertDeclarable } from "../definitions/invalid-declaration-error.ts";
import { countOtherRules, findRuleState, writeRule } from "../definitions/rule-store.ts";
import type { WorkflowRule } from "../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import { WorkflowRuleSchema } from "../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import type { Principal } from "../tenancy/request-context.ts";
import type { InScope } from "../tenancy/transaction.ts";
import { compileCondition } from "./cel/compile-expression.ts";
import { ExpressionFaultError } from "./cel/expression-fault.ts";
import { RuleVersionConflictError } from "./rule-errors.ts";

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

/** Two limits of the rule have one id. */
class LimitIdRepeatedError extends Error {
  override readonly name = "LimitIdRepeatedError";
  readonly code = "limit_id_repeated";
  constructor(id: string) {
    super(`limits.id "${id}" is used twice in the rule; each limit needs an id of its own: rename one of them`);
  }
}

export type PutRule = (
  rule: WorkflowRule,
  who: Principal,
  expectedVersion?: number,
) => Promise<{ readonly version: number; readonly created: boolean }>;

/**
 * Creates or replaces a rule, as its next version. It applies to requests that arrive afterwards. What the rule says already makes no version.
 * @param expectedVersion - that the rule has before, 0 for a new one; undefined: any
 * @throws TooManyRulesError, LimitIdRepeatedError, InvalidDeclarationError, RuleVersionConflictError
 */
export function createPutRule(deps: { readonly inScope: InScope }): PutRule {
  return async (message, who, expectedVersion) => {
    const { tenant, subject } = who;
    const rule = toJson(WorkflowRuleSchema, message);
    const { id, profileId, priority } = message;
    assertRule(message);
    return deps.inScope(who, async (transaction) => {
      await bumpRevision(transaction, tenant); // first, because it makes changes of one tenant wait for each other
      const before = await findRuleState(transaction, { tenant, id, said: rule });
      const found = before?.version ?? 0;
      if (expectedVersion !== undefined && expectedVersion !== found)
        throw new RuleVersionConflictError(id, expectedVersion, found);
      if (before?.saysSo && !before.retired) return { version: found, created: false };
      if ((await countOtherRules(transaction, { tenant, id, profileId })) >= mostRules)
        throw new TooManyRulesError(profileId);
      const version = found + 1;
      await writeRule(transaction, { tenant, id, version, priority, rule, by: subject });
      return { version, created: true };
    });
  };
}

/** @throws LimitIdRepeatedError, InvalidDeclarationError */
export function assertRule({ limits, version, when }: WorkflowRule): void {
  const repeated = limits.find((limit, index) => limits.findIndex((other) => other.id === limit.id) < index);
  if (repeated !== undefined) throw new LimitIdRepeatedError(repeated.id);
  assertDeclarable([...faultsOfVersion(version), ...faultsOfCondition(when)]);
}

const faultsOfVersion = (version: number): string[] =>
  version === 0
    ? []
    : [`version ${version} is given by the api and can't be chosen; remove it, or send it as expected_version`];

/** @param when - empty: the rule has none */
function faultsOfCondition(when: string): string[] {
  if (when === "") return [];
  try {
    compileCondition(when);
    return [];
  } catch (error) {
    if (!(error instanceof ExpressionFaultError)) throw error;
    return [`when ${error.message}`];
  }
}
