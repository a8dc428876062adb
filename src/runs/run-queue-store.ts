import type { RunPinsJson } from "../gen/automation/v1/run_work_pb.ts";
import type { Transaction } from "../tenancy/transaction.ts";

interface RunKey {
  readonly tenant: string;
  readonly runId: string;
}

interface QueuedRun extends RunKey {
  readonly pins: RunPinsJson | null;
  readonly org: string;
  /** 1 (first) to 5 (last). */
  readonly priority: number;
  readonly createdAt: Date;
  readonly ruleId: string | null;
  /** The limits it waits for, as limit/scope/value. */
  readonly queueKeys: readonly string[];
  readonly fairnessKey: string;
}

/** Puts new runs into the queue. */
export async function enqueueRuns(transaction: Transaction, runs: readonly QueuedRun[]): Promise<void> {
  const rows = runs.map(({ tenant, org, runId, priority, createdAt, ruleId, queueKeys, fairnessKey, pins }) => ({
    ...{ tenant, org, runId, priority, createdAt, ruleId, fairnessKey },
    keys: queueKeys,
    repository: pins?.repository?.id,
  }));
  await transaction.query(
    `insert into run_queue (tenant, org, run_id, priority, queued_at, keys, rule_id, repository, fairness_key)
     select * from jsonb_to_recordset($1) as q(tenant text, org text, "runId" uuid, priority smallint, "createdAt" timestamptz, keys text[], "ruleId" text, repository text, "fairnessKey" text)`,
    [JSON.stringify(rows)],
  );
}

/** Puts a run back into the queue, so that its next generation is started; it keeps its priority, its age, and the places it has: it waits for no limit again. */
export async function enqueueAgain(transaction: Transaction, run: RunKey): Promise<void> {
  await transaction.query(
    `insert into run_queue (tenant, org, run_id, priority, queued_at)
     select tenant, org, run_id, priority, created_at from runs where tenant = $1 and run_id = $2
     on conflict (tenant, run_id) do update set not_before = default, claimed_until = case when run_queue.keys <> '{}' and run_queue.claimed_until is not null then clock_timestamp() end, started_at = null`,
    [run.tenant, run.runId],
  );
}

/** Removes runs that have ended from the queue. */
export async function leaveQueue(transaction: Transaction, runs: readonly RunKey[]): Promise<void> {
  await transaction.query(
    `delete from run_queue as q using unnest($1::text[], $2::uuid[]) as gone (tenant, run_id)
     where q.tenant = gone.tenant and q.run_id = gone.run_id`,
    [runs.map(({ tenant }) => tenant), runs.map(({ runId }) => runId)],
  );
}
