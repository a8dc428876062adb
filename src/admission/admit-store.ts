import type { RunStatus } from "../runs/run-status.ts";
import type { TimedRun } from "../runs/time-limits.ts";
import type { Transaction } from "../tenancy/transaction.ts";
import type { RunKey } from "./claim-store.ts";
import type { RunToStart } from "./workflows.ts";

/** A claimed run, as it stands. */
export interface ClaimedRun extends RunToStart, TimedRun {
  readonly status: RunStatus;
  readonly day: string;
}

/** Those of the runs that have neither begun nor ended. */
export async function findUnbegun(transaction: Transaction, claimed: readonly RunKey[]): Promise<ClaimedRun[]> {
  const { rows } = await transaction.query<ClaimedRow>(
    `select r.tenant, r.org, r.run_id as "runId", r.generation, r.start_capability as "startCapability", r.priority, coalesce(q.fairness_key, '') as "fairnessKey", r.event_id as "eventId",
       r.definition_id as "definitionId", r.definition_version as "definitionVersion", r.profile_id as "profileId", r.profile_version as "profileVersion",
       r.cadence_id as "cadenceId", r."references", r.traceparent, r.tracestate, r.shown, r.status, r.day, r.deadline_at as "deadlineAt",
       r.created_at as "createdAt", r.work_begun_at as "workBegunAt", r.sealing_at as "sealingAt", r.queue_limit_seconds as "queueLimitSeconds",
       r.work_limit_seconds as "workLimitSeconds", r.handoff_limit_seconds as "handoffLimitSeconds"
     from unnest($1::text[], $2::uuid[]) with ordinality as claimed (tenant, run_id, place)
       join runs as r on r.tenant = claimed.tenant and r.run_id = claimed.run_id
       left join run_queue as q on q.tenant = r.tenant and q.run_id = r.run_id
     where r.begun_at is null and r.ended_at is null order by claimed.place`,
    [claimed.map(({ tenant }) => tenant), claimed.map(({ runId }) => runId)],
  );
  return rows.map(({ shown, ...run }) => ({ ...run, goal: shown?.goal ?? "", personas: shown?.personas ?? [] }));
}

interface ClaimedRow extends Omit<ClaimedRun, "goal" | "personas"> {
  readonly shown: Pick<RunToStart, "goal" | "personas"> | null;
}
