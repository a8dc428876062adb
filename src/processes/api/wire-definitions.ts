import type { Operator } from "../../config/operator.ts";
import { createPublishVersion } from "../../definitions/publish-definition.ts";
import { createPublishProfile } from "../../definitions/publish-profile.ts";
import { createPutRepository } from "../../definitions/put-repository.ts";
import { createReadDeclared } from "../../definitions/read-declared.ts";
import { methodologies } from "../../methodology/methodologies.ts";
import { createPutRule } from "../../rules/put-rule.ts";
import { createReadRuleVersions } from "../../rules/read-rule-versions.ts";
import { createRetireRule } from "../../rules/retire-rule.ts";
import type { InScope } from "../../tenancy/transaction.ts";

/** What people declare. */
export function wireDefinitions(deps: {
  readonly inScope: InScope;
  readonly inReadScope: InScope;
  readonly operator: Operator;
}) {
  const { inScope, inReadScope, operator } = deps;
  return {
    publishVersion: createPublishVersion({ inScope }),
    publishProfile: createPublishProfile({
      inScope,
      methods: [...methodologies.keys()],
      receivers: new Map(Object.entries(operator.methodologies).map(([name, { method }]) => [name, method])),
    }),
    putRepository: createPutRepository({ inScope, bounds: operator.workspaces.repositories }),
    putRule: createPutRule({ inScope }),
    retireRule: createRetireRule({ inScope }),
    readRuleVersions: createReadRuleVersions({ inScope: inReadScope }),
    readDeclared: createReadDeclared({ inScope: inReadScope }),
  };
}
