import { UnknownIdError } from "../tenancy/unknown-id-error.ts";

/** The tenant has no such rule, or not that version of it. */
export class UnknownRuleError extends UnknownIdError {
  override readonly name = "UnknownRuleError";
  readonly code = "unknown_rule";
  /** @param version - 0: any */
  constructor(id: string, version: number) {
    super("rule", version === 0 ? id : `${id}@${version}`, {
      rule: "the id of a rule of this tenant, and a version of it",
      remedy: "`automation rule list` shows them, `automation rule history` their versions",
    });
  }
}

/** The rule was changed by somebody else in between. */
export class RuleVersionConflictError extends Error {
  override readonly name = "RuleVersionConflictError";
  readonly code = "rule_version_conflict";
  /** @param found - 0: there is none */
  constructor(id: string, expected: number, found: number) {
    const now = found === 0 ? "there is no such rule" : `it has version ${found}`;
    super(
      `expected_version ${expected} of rule "${id}" is not what it has now: ${now}; look at it with \`automation rule get ${id}\`, and put your change to that version`,
    );
  }
}
