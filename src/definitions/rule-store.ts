import type { WorkflowRuleJson } from "../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import type { LookUp, Transaction } from "../tenancy/transaction.ts";
import { wantedRows, wantedValues } from "../tenancy/wanted-rows-store.ts";

/** A rule after one of its changes; `rule` has its version. */
export interface RuleVersionRow {
  readonly rule: WorkflowRuleJson;
  readonly version: number;
  readonly retired: boolean;
  readonly changedBy: string;
  readonly changedAt: Date;
}

const withVersion = (table: string): string => `${table}.rule || jsonb_build_object('version', ${table}.version)`;

/** Rules that are not retired in the order in which they are tried, at most `limit` of those after one. */
export async function readRules(
  transaction: Transaction,
  tenant: string,
  after: { readonly priority: number; readonly id: string } | undefined,
  limit: number,
): Promise<WorkflowRuleJson[]> {
  const { rows } = await transaction.query<{ rule: WorkflowRuleJson }>(
    `select ${withVersion("r")} as rule from workflow_rules r
     where tenant = $1 and not retired and ($2::int is null or (priority, rule_id) > ($2, $3)) order by priority, rule_id limit $4`,
    [tenant, after?.priority ?? null, after?.id ?? null, limit],
  );
  return rows.map((row) => row.rule);
}

/** The rules of profiles by the profile's id, each list in the order in which its rules are tried. */
export const lookUpRules: LookUp<WorkflowRuleJson[]> = async (transaction, wanted) => {
  const { rows } = await transaction.query<{ index: number; value: WorkflowRuleJson[] }>(
    `select wanted.index, jsonb_agg(${withVersion("r")} order by r.priority, r.rule_id) as value from ${wantedRows}
     join workflow_rules r on r.tenant = wanted.tenant and r.rule->>'profileId' = wanted.id and not r.retired
     group by wanted.index`,
    wantedValues(wanted),
  );
  return rows;
};

/** Versions of rules, by rule and version. */
export const lookUpRuleVersions: LookUp<WorkflowRuleJson> = async (transaction, wanted) => {
  const { rows } = await transaction.query<{ index: number; value: WorkflowRuleJson }>(
    `select wanted.index, ${withVersion("v")} as value from ${wantedRows}
     join workflow_rule_versions v on v.tenant = wanted.tenant and v.rule_id = wanted.id and v.version::text = wanted.version`,
    wantedValues(wanted),
  );
  return rows;
};

/** How many other rules a profile has. */
export async function countOtherRules(
  transaction: Transaction,
  { tenant, id, profileId }: { readonly tenant: string; readonly id: string; readonly profileId: string },
): Promise<number> {
  const { rows } = await transaction.query<{ count: number }>(
    `select count(*)::int as count from workflow_rules
     where tenant = $1 and rule_id <> $2 and rule->>'profileId' = $3 and not retired`,
    [tenant, id, profileId],
  );
  return rows[0]?.count ?? 0;
}

/** What a rule is now. @param said - compared with what the rule says */
export async function findRuleState(
  transaction: Transaction,
  { tenant, id, said }: { readonly tenant: string; readonly id: string; readonly said: WorkflowRuleJson | null },
): Promise<{ readonly version: number; readonly retired: boolean; readonly saysSo: boolean } | undefined> {
  const { rows } = await transaction.query<{ version: number; retired: boolean; saysSo: boolean }>(
    `select version, retired, coalesce(rule = $3::jsonb, false) as "saysSo" from workflow_rules where tenant = $1 and rule_id = $2`,
    [tenant, id, said === null ? null : JSON.stringify(said)],
  );
  return rows[0];
}

/** Writes the next version of a rule. @param put.rule - without its version */
export async function writeRule(
  transaction: Transaction,
  put: {
    readonly tenant: string;
    readonly id: string;
    readonly version: number;
    readonly priority: number;
    readonly rule: WorkflowRuleJson;
    readonly by: string;
  },
): Promise<void> {
  const values = [put.tenant, put.id, put.version, JSON.stringify(put.rule), put.by];
  await transaction.query(
    `insert into workflow_rules (tenant, rule_id, version, rule, updated_by, priority) values ($1, $2, $3, $4, $5, $6)
     on conflict (tenant, rule_id) do update
     set version = excluded.version, priority = excluded.priority, rule = excluded.rule, retired = false,
       updated_by = excluded.updated_by, updated_at = now()`,
    [...values, put.priority],
  );
  await transaction.query(
    `insert into workflow_rule_versions (tenant, rule_id, version, rule, changed_by, retired) values ($1, $2, $3, $4, $5, false)`,
    values,
  );
}

/** Retires the rule as its next version. */
export async function retireRule(
  transaction: Transaction,
  {
    tenant,
    id,
    version,
    by,
  }: { readonly tenant: string; readonly id: string; readonly version: number; readonly by: string },
): Promise<void> {
  await transaction.query(
    `with retired as (
       update workflow_rules set version = $3, retired = true, updated_by = $4, updated_at = now()
       where tenant = $1 and rule_id = $2 returning tenant, rule_id, version, rule
     )
     insert into workflow_rule_versions (tenant, rule_id, version, rule, retired, changed_by)
     select tenant, rule_id, version, rule, true, $4 from retired`,
    [tenant, id, version, by],
  );
}

/** Versions of a rule, newest first, at most `limit` of those before one. */
export async function readRuleVersions(
  transaction: Transaction,
  { tenant, id, before }: { readonly tenant: string; readonly id: string; readonly before: number | undefined },
  limit: number,
): Promise<RuleVersionRow[]> {
  const { rows } = await transaction.query<RuleVersionRow>(
    `select ${withVersion("v")} as rule, version, retired, changed_by as "changedBy", changed_at as "changedAt"
     from workflow_rule_versions v
     where tenant = $1 and rule_id = $2 and ($3::int is null or version < $3) order by version desc limit $4`,
    [tenant, id, before ?? null, limit],
  );
  return rows;
}
