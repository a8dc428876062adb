import { bumpRevision } from "../definitions/declaration-revision-store.ts";
import { findRuleState, retireRule } from "../definitions/rule-store.ts";
import type { Principal } from "../tenancy/request-context.ts";
import type { InScope } from "../tenancy/transaction.ts";
import { RuleVersionConflictError, UnknownRuleError } from "./rule-errors.ts";

export type RetireRule = (
  id: string,
  who: Principal,
  expectedVersion?: number,
) => Promise<{ readonly version: number }>;

/**
 * Lets a rule match no further request. Its row stays, so that runs that wait under its limits keep to them. A retired rule stays as it is.
 * @throws UnknownRuleError, RuleVersionConflictError
 */
export function createRetireRule(deps: { readonly inScope: InScope }): RetireRule {
  return (id, who, expectedVersion) =>
    deps.inScope(who, async (transaction) => {
      const { tenant, subject } = who;
      await bumpRevision(transaction, tenant); // first, because it makes changes of one tenant wait for each other
      const before = await findRuleState(transaction, { tenant, id, said: null });
      if (before === undefined) throw new UnknownRuleError(id, 0);
      if (expectedVersion !== undefined && expectedVersion !== before.version)
        throw new RuleVersionConflictError(id, expectedVersion, before.version);
      if (before.retired) return { version: before.version };
      const version = before.version + 1;
      await retireRule(transaction, { tenant, id, version, by: subject });
      return { version };
    });
}
