import type { RuleVersionRow } from "../definitions/rule-store.ts";
import { readRuleVersions } from "../definitions/rule-store.ts";
import type { WorkflowRuleVersionJson } from "../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import type {
  GetWorkflowRuleResponseJson,
  ListWorkflowRuleVersionsResponseJson,
} from "../gen/workflows_runtime/v1/workflow_service_pb.ts";
import { decodeNamesToken, encodeNamesToken, InvalidPageTokenError, pageSizeOf } from "../tenancy/page-token.ts";
import type { InScope, Scope } from "../tenancy/transaction.ts";
import { storable } from "../text/strangers-text.ts";
import { UnknownRuleError } from "./rule-errors.ts";

/** Reads what a rule said and says, retired or not. */
export interface ReadRuleVersions {
  /** @param version - 0: the newest. @throws UnknownRuleError */
  one(scope: Scope, id: string, version: number): Promise<GetWorkflowRuleResponseJson>;
  /** Newest first. @throws UnknownRuleError, InvalidPageTokenError */
  all(
    scope: Scope,
    id: string,
    page: { readonly pageSize: number; readonly pageToken: string },
  ): Promise<ListWorkflowRuleVersionsResponseJson>;
}

export function createReadRuleVersions({ inScope }: { readonly inScope: InScope }): ReadRuleVersions {
  const read = (scope: Scope, id: string, before: number | undefined, limit: number) =>
    storable(id) === id // what Postgres can't store is no rule's id
      ? inScope(scope, (transaction) => readRuleVersions(transaction, { tenant: scope.tenant, id, before }, limit))
      : Promise.resolve([]);
  return {
    async one(scope, id, version) {
      const [found] = await read(scope, id, version === 0 ? undefined : version + 1, 1);
      if (found === undefined || (version !== 0 && found.version !== version)) throw new UnknownRuleError(id, version);
      return { version: versionToJson(found) };
    },
    async all(scope, id, { pageSize, pageToken }) {
      const [token] = decodeNamesToken(pageToken, 1) ?? [];
      const before = token === undefined ? undefined : Number(token);
      if (before !== undefined && !Number.isSafeInteger(before)) throw new InvalidPageTokenError();
      const size = pageSizeOf(pageSize);
      const found = await read(scope, id, before, size + 1);
      if (found.length === 0 && before === undefined) throw new UnknownRuleError(id, 0);
      const versions = found.slice(0, size);
      const last = versions.at(-1);
      const nextPageToken = found.length > size && last !== undefined ? encodeNamesToken([String(last.version)]) : "";
      return { versions: versions.map(versionToJson), nextPageToken };
    },
  };
}

const versionToJson = ({ rule, retired, changedBy, changedAt }: RuleVersionRow): WorkflowRuleVersionJson => ({
  ...{ rule, retired, changedBy },
  changedAt: changedAt.toISOString(),
});
