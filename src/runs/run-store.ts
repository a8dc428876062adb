import type { ReferencesJson } from "../gen/automation/v1/ref_pb.ts";
import type { WorkWaitingJson } from "../gen/automation/v1/run_event_pb.ts";
import type { RunRequestedJson } from "../gen/automation/v1/run_requested_pb.ts";
import type { RunPinsJson } from "../gen/automation/v1/run_work_pb.ts";
import type { CancelRequestedJson, WorkAttemptJson } from "../gen/workflows_runtime/v1/run_pb.ts";
import type { Transaction } from "../tenancy/transaction.ts";
import { enqueueAgain } from "./run-queue-store.ts";
import type { TimedRun } from "./time-limits.ts";
import { nextLimit } from "./time-limits.ts";

/** A run as stored. */
export interface RunRow extends TimedRun {
  readonly tenant: string;
  readonly runId: string;
  readonly org: string;
  readonly requestId: string;
  readonly source: string;
  readonly eventId: string;
  readonly definitionId: string;
  readonly definitionVersion: string;
  readonly definitionDigest: string;
  readonly profileId: string;
  readonly profileVersion: string;
  readonly profileDigest: string;
  readonly ruleId: string | null;
  readonly ruleVersion: number | null;
  /** Null for a first run. */
  readonly rerunOf: string | null;
  /** Lower-case method name: `scrum`. */
  readonly method: string;
  readonly workKind: string;
  readonly cadenceId: string;
  readonly references: ReferencesJson;
  readonly requested: RunRequestedJson;
  /** Null for a plan without steps. */
  readonly pins: RunPinsJson | null;
  /** What the ref was resolved to; null until a worker has told it. */
  readonly baseCommit: string | null;
  readonly reason: string;
  readonly desiredState: "RUN" | "CANCEL";
  readonly generation: number;
  readonly executionRunId: string | null;
  readonly correlationId: string | null;
  readonly traceparent: string | null;
  readonly tracestate: string | null;
  /** `YYYY-MM-DD`: partition key of the run's events. */
  readonly day: string;
  readonly admittedAt: Date | null;
  readonly begunAt: Date | null;
  readonly endedAt: Date | null;
  /** What the work waits for; null while it goes on. */
  readonly waiting: WorkWaitingJson | null;
  /** Null unless somebody asked. */
  readonly cancel: CancelRequestedJson | null;
  /** Null before the work is taken up. */
  readonly attempt: WorkAttemptJson | null;
}

/** Columns of `runs` under the names of `RunRow`, for a select from `runs as r`. */
export const runColumns = `
  r.tenant, r.run_id as "runId", r.org, r.request_id as "requestId", r.source, r.event_id as "eventId",
  r.definition_id as "definitionId", r.definition_version as "definitionVersion", r.definition_digest as "definitionDigest",
  r.profile_id as "profileId", r.profile_version as "profileVersion", r.profile_digest as "profileDigest", r.rule_id as "ruleId", r.rule_version as "ruleVersion", r.rerun_of as "rerunOf",
  r.method, r.work_kind as "workKind", r.cadence_id as "cadenceId", r."references", r.requested, r.pins, r.base_commit as "baseCommit", r.status, r.reason,
  r.desired_state as "desiredState", r.generation, r.execution_run_id as "executionRunId", r.correlation_id as "correlationId",
  r.traceparent, r.tracestate, r.deadline_at as "deadlineAt", r.day, r.created_at as "createdAt", r.admitted_at as "admittedAt",
  r.begun_at as "begunAt", r.ended_at as "endedAt", r.work_begun_at as "workBegunAt", r.sealing_at as "sealingAt", r.waiting, r.cancel, r.attempt,
  r.queue_limit_seconds as "queueLimitSeconds", r.work_limit_seconds as "workLimitSeconds", r.handoff_limit_seconds as "handoffLimitSeconds"`;

/** The run, or undefined when the bound scope has no such run. */
export async function findRun(transaction: Transaction, tenant: string, runId: string): Promise<RunRow | undefined> {
  const { rows } = await transaction.query<RunRow>(
    `select ${runColumns} from runs as r where r.tenant = $1 and r.run_id = $2`,
    [tenant, runId],
  );
  return rows[0];
}

export async function hasRun(transaction: Transaction, tenant: string, runId: string): Promise<boolean> {
  const { rowCount } = await transaction.query("select from runs where tenant = $1 and run_id = $2", [tenant, runId]);
  return rowCount === 1;
}

/** Writes the new status of each run, with its times. The caller holds the streams' locks and has checked the transitions. */
export async function updateStatuses(transaction: Transaction, runs: readonly RunRow[]): Promise<void> {
  const rows = runs.map((run) => ({
    tenant: run.tenant,
    runId: run.runId,
    status: run.status,
    reason: run.reason,
    admittedAt: run.admittedAt,
    workBegunAt: run.workBegunAt,
    sealingAt: run.sealingAt,
    endedAt: run.endedAt,
    dueAt: nextLimit(run)?.dueAt,
  }));
  await transaction.query(
    `update runs as r set status = n.status, reason = n.reason, admitted_at = n."admittedAt", work_begun_at = n."workBegunAt", sealing_at = n."sealingAt", ended_at = n."endedAt", due_at = n."dueAt"
     from jsonb_to_recordset($1) as n(tenant text, "runId" uuid, status text, reason text, "admittedAt" timestamptz, "workBegunAt" timestamptz, "sealingAt" timestamptz, "endedAt" timestamptz, "dueAt" timestamptz)
     where r.tenant = n.tenant and r.run_id = n."runId"`,
    [JSON.stringify(rows)],
  );
}

/** Records that a worker has begun an attempt of the work; the work limit counts from the first one. The caller holds the stream's lock. */
export async function takeUpWork(transaction: Transaction, run: RunRow): Promise<void> {
  await transaction.query(
    `update runs set work_begun_at = $3, due_at = $4, attempt = $5 where tenant = $1 and run_id = $2`,
    [run.tenant, run.runId, run.workBegunAt, nextLimit(run)?.dueAt, JSON.stringify(run.attempt)],
  );
}

/** Records what the run waits for; null: it no longer waits. */
export async function setWaiting(
  transaction: Transaction,
  run: Pick<RunRow, "tenant" | "runId">,
  waiting: WorkWaitingJson | null,
): Promise<void> {
  await transaction.query("update runs set waiting = $3 where tenant = $1 and run_id = $2", [
    run.tenant,
    run.runId,
    waiting && JSON.stringify(waiting),
  ]);
}

/** Moves queued runs to ADMITTED. The caller holds the streams' locks and has checked the transitions. */
export async function admitRuns(
  transaction: Transaction,
  runs: readonly Pick<RunRow, "tenant" | "runId">[],
  admittedAt: Date,
): Promise<void> {
  await transaction.query(
    `update runs as r set status = 'ADMITTED', admitted_at = $3
     from unnest($1::text[], $2::uuid[]) as admitted (tenant, run_id)
     where r.tenant = admitted.tenant and r.run_id = admitted.run_id`,
    [runs.map(({ tenant }) => tenant), runs.map(({ runId }) => runId), admittedAt],
  );
}

/** The secret that the run's workflow was started with. It is not part of `RunRow`, so that nothing else reads it. */
export async function findStartCapability(
  transaction: Transaction,
  run: Pick<RunRow, "tenant" | "runId">,
): Promise<string> {
  const { rows } = await transaction.query<{ kept: string }>(
    "select start_capability as kept from runs where tenant = $1 and run_id = $2",
    [run.tenant, run.runId],
  );
  if (rows[0] === undefined) throw new Error(`run ${run.runId} is gone while its stream is locked`);
  return rows[0].kept;
}

/** The compare-and-set of BeginRun: the first execution of a generation that knows its capability wins, and the run leaves the queue. @returns whether this execution speaks for the run */
export async function admitExecution(
  transaction: Transaction,
  run: Pick<RunRow, "tenant" | "runId">,
  execution: {
    readonly generation: number;
    readonly firstExecutionRunId: string;
    /** What its workflow was started with. Digests are compared, so that the time taken tells nothing. */
    readonly startCapability: string;
    readonly begunAt: Date;
  },
): Promise<boolean> {
  const { rowCount } = await transaction.query(
    `with admitted as (
       update runs set execution_run_id = $4, begun_at = coalesce(begun_at, $5)
       where tenant = $1 and run_id = $2 and generation = $3 and (execution_run_id is null or execution_run_id = $4)
         and sha256(convert_to(start_capability, 'UTF8')) = sha256(convert_to($6, 'UTF8'))
       returning tenant, run_id
     ), gone as (
       delete from run_queue as q using admitted as a where q.tenant = a.tenant and q.run_id = a.run_id
     )
     select from admitted`,
    [
      run.tenant,
      run.runId,
      execution.generation,
      execution.firstExecutionRunId,
      execution.begunAt,
      execution.startCapability,
    ],
  );
  return rowCount === 1;
}

/** Queues the run again as its next generation, with a new capability; attempts of its work count from 1 again. The caller holds the stream's lock. */
export async function beginNextGeneration(
  transaction: Transaction,
  run: Pick<RunRow, "tenant" | "runId" | "generation">,
): Promise<void> {
  await Promise.all([
    transaction.query(
      `update runs set generation = $3 + 1, start_capability = default, execution_run_id = null, begun_at = null, attempt = null
       where tenant = $1 and run_id = $2 and generation = $3`,
      [run.tenant, run.runId, run.generation],
    ),
    enqueueAgain(transaction, run),
  ]);
}

/** Stores the base commit unless the run has one. @returns the stored one; undefined: there is no such run */
export async function keepBaseCommit(
  transaction: Transaction,
  run: Pick<RunRow, "tenant" | "runId">,
  baseCommit: string,
): Promise<string | undefined> {
  const { rows } = await transaction.query<{ kept: string }>(
    `update runs set base_commit = coalesce(base_commit, $3) where tenant = $1 and run_id = $2 returning base_commit as kept`,
    [run.tenant, run.runId, baseCommit],
  );
  return rows[0]?.kept;
}
