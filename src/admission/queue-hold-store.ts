import type { QueueHoldJson, QueueSelectionJson } from "../gen/workflows_runtime/v1/queue_hold_pb.ts";
import type { Principal } from "../tenancy/request-context.ts";
import type { Transaction } from "../tenancy/transaction.ts";

/** A hold as stored: `value` is empty for scope `all`. */
interface HoldRow {
  readonly org: string;
  readonly scope: "rule" | "repository" | "all";
  readonly value: string;
  readonly reason: string;
  readonly heldBy: string;
  readonly heldAt: Date;
  readonly waiting: number;
}

/** Keeps runs of an org from being claimed; a hold that is there stays as it is. */
export async function insertHold(
  transaction: Transaction,
  { tenant, org, subject }: Principal,
  what: QueueSelectionJson,
  reason: string,
  at: Date,
): Promise<void> {
  await transaction.query(
    `insert into queue_holds (tenant, org, scope, value, reason, held_by, held_at) values ($1, $2, $3, $4, $5, $6, $7)
     on conflict do nothing`,
    [tenant, org, ...columnsOf(what), reason, subject, at],
  );
}

/** Whether a rule or repository is there, or runs wait that had it. */
export async function isKnown(
  transaction: Transaction,
  tenant: string,
  { ruleId, repository }: QueueSelectionJson,
): Promise<boolean> {
  if (ruleId === undefined && repository === undefined) return true;
  const { rows } = await transaction.query<{ known: boolean }>(
    `select exists (select from workflow_rules where tenant = $1 and rule_id = $2)
       or exists (select from repositories where tenant = $1 and repository_id = $3)
       or exists (select from queue_lanes where tenant = $1 and (rule_id = $2 or repository = $3)) as known`,
    [tenant, ruleId ?? null, repository ?? null],
  );
  return rows[0]?.known ?? false;
}

/** @returns whether there was one */
export async function deleteHold(
  transaction: Transaction,
  { tenant, org }: Principal,
  what: QueueSelectionJson,
): Promise<boolean> {
  const { rowCount } = await transaction.query(
    "delete from queue_holds where tenant = $1 and org = $2 and scope = $3 and value = $4",
    [tenant, org, ...columnsOf(what)],
  );
  return rowCount === 1;
}

/** The holds of the scope, oldest first, at most 200. Runs that wait are counted as the last claim left them. */
export async function listHolds(transaction: Transaction, tenant: string): Promise<QueueHoldJson[]> {
  const { rows } = await transaction.query<HoldRow>(
    `select h.org, h.scope, h.value, h.reason, h.held_by as "heldBy", h.held_at as "heldAt", coalesce((
       select sum(l.waiting) from queue_lanes as l where l.tenant = h.tenant and l.org = h.org
         and case h.scope when 'rule' then l.rule_id = h.value when 'repository' then l.repository = h.value else true end
     ), 0)::int as waiting
     from queue_holds as h where h.tenant = $1 order by h.held_at, h.org, h.scope, h.value limit 200`,
    [tenant],
  );
  return rows.map(({ scope, value, heldAt, ...hold }) => ({
    ...hold,
    what: selectionOf(scope, value),
    heldAt: heldAt.toISOString(),
  }));
}

/** What a lane is left blocked by while a hold is on it; no limit has such a key. */
export const holdKeyOf = ({ org, scope, value }: Pick<HoldRow, "org" | "scope" | "value">): string =>
  [`!${org}`, scope, ...(value === "" ? [] : [value])].join("/");

/** @returns what is held; undefined for the key of a limit */
export function heldByKey(key: string): QueueSelectionJson | undefined {
  if (!key.startsWith("!")) return undefined;
  const [, scope = "all", value = ""] = key.split("/");
  return selectionOf(scope as HoldRow["scope"], value);
}

function selectionOf(scope: HoldRow["scope"], value: string): QueueSelectionJson {
  if (scope === "rule") return { ruleId: value };
  return scope === "repository" ? { repository: value } : { all: {} };
}

function columnsOf({ ruleId, repository }: QueueSelectionJson): [scope: string, value: string] {
  if (ruleId !== undefined) return ["rule", ruleId];
  return repository === undefined ? ["all", ""] : ["repository", repository];
}
