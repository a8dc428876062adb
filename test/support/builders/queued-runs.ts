import { randomUUID } from "node:crypto";
import type { Pool } from "pg";
import { genesis } from "../../../src/runs/stream/chain-events.ts";

/** Writes runs of a tenant into the queue, each with an empty stream. @returns their ids, oldest first */
export async function insertQueuedRuns(
  superuser: Pool,
  count: number,
  change: {
    readonly tenant?: string;
    readonly priority?: number;
    readonly ruleId?: string;
    readonly keys?: readonly string[];
    readonly fairnessKey?: string;
  } = {},
): Promise<string[]> {
  const { tenant = "acme", priority = 3, ruleId = null, keys = [], fairnessKey = "" } = change;
  const ids = Array.from({ length: count }, () => randomUUID());
  await superuser.query(
    `insert into runs (tenant, run_id, org, request_id, source, event_id, definition_id, definition_version, definition_digest,
       profile_id, profile_version, profile_digest, method, work_kind, cadence_id, "references", requested, status, priority, day, created_at)
     select $1, id, 'retail', gen_random_uuid(), 'urn:test', id::text, 'increment-evidence', '1', 'd', 'scrum-team', '1', 'p', 'scrum', 'story', 'sprint-7',
       '{"workItems":[{"kind":"backlog_item","id":"PBI-1"}],"timeboxes":[{"kind":"sprint","id":"sprint-7"}],"goals":[{"kind":"sprint_goal","id":"G-1"}]}', '{}', 'QUEUED', $3,
       (now() at time zone 'utc')::date, now() + place * interval '1 microsecond'
     from unnest($2::uuid[]) with ordinality as run (id, place)`,
    [tenant, ids, priority],
  );
  await superuser.query(
    `insert into run_queue (tenant, org, run_id, priority, queued_at, rule_id, keys, fairness_key)
     select tenant, org, run_id, priority, created_at, $2, $3, $4 from runs where run_id = any($1::uuid[])`,
    [ids, ruleId, keys, fairnessKey],
  );
  await superuser.query(
    "insert into run_streams (tenant, org, run_id, last_sequence, last_hash) select $1, 'retail', unnest($2::uuid[]), 0, $3",
    [tenant, ids, genesis.lastHash],
  );
  return ids;
}
