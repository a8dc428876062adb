import type { WorkflowRuleJson } from "../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import type { LookUp, Transaction } from "../tenancy/transaction.ts";
import { wantedRows, wantedValues } from "../tenancy/wanted-rows-store.ts";

/** Rules in the order in which they are tried, at most `limit` of those after one. */
export async function readRules(
  transaction: Transaction,
  tenant: string,
  after: { readonly priority: number; readonly id: string } | undefined,
  limit: number,
): Promise<WorkflowRuleJson[]> {
  const { rows } = await transaction.query<{ rule: WorkflowRuleJson }>(
    `select rule from workflow_rules
     where tenant = $1 and ($2::int is null or (priority, rule_id) > ($2, $3)) order by priority, rule_id limit $4`,
    [tenant, after?.priority ?? null, after?.id ?? null, limit],
  );
  return rows.map((row) => row.rule);
}

/** The rules of profiles by the profile's id, each list in the order in which its rules are tried. */
export const lookUpRules: LookUp<WorkflowRuleJson[]> = async (transaction, wanted) => {
  const { rows } = await transaction.query<{ index: number; value: WorkflowRuleJson[] }>(
    `select wanted.index, jsonb_agg(r.rule order by r.priority, r.rule_id) as value from ${wantedRows}
     join workflow_rules r on r.tenant = wanted.tenant and r.rule->>'profileId' = wanted.id
     group by wanted.index`,
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
    "select count(*)::int as count from workflow_rules where tenant = $1 and rule_id <> $2 and rule->>'profileId' = $3",
    [tenant, id, profileId],
  );
  return rows[0]?.count ?? 0;
}

export async function upsertRule(
  transaction: Transaction,
  put: {
    readonly tenant: string;
    readonly id: string;
    readonly priority: number;
    readonly rule: WorkflowRuleJson;
    readonly by: string;
  },
): Promise<void> {
  await transaction.query(
    `insert into workflow_rules (tenant, rule_id, priority, rule, updated_by) values ($1, $2, $3, $4, $5)
     on conflict (tenant, rule_id) do update
     set priority = excluded.priority, rule = excluded.rule, updated_by = excluded.updated_by, updated_at = now()`,
    [put.tenant, put.id, put.priority, JSON.stringify(put.rule), put.by],
  );
}
