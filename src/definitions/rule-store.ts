import type { WorkflowRuleJson } from "../gen/workflows_runtime/v1/workflow_service_pb.ts";
import type { Transaction } from "../tenancy/transaction.ts";

/** Rules in the order in which they are asked. */
export async function readRules(transaction: Transaction, tenant: string): Promise<WorkflowRuleJson[]> {
  const { rows } = await transaction.query<{ rule: WorkflowRuleJson }>(
    "select rule from workflow_rules where tenant = $1 order by priority, rule_id",
    [tenant],
  );
  return rows.map((row) => row.rule);
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
