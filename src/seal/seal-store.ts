import type { VerdictJson } from "../gen/automation/v1/verdict_pb.ts";
import type { EventLog } from "../proof/statements/event-log.ts";
import type { RunOutcome } from "../runs/run-status.ts";
import type { Transaction } from "../tenancy/transaction.ts";

/** The seal of a run. PREPARED → COMMITTED | ABORTED; an abort needs no prepare. */
export interface SealRow {
  readonly state: "PREPARED" | "COMMITTED" | "ABORTED";
  readonly outcome: RunOutcome;
  /** The verdict for the end of this seal. */
  readonly verdict: VerdictJson;
  readonly cause: string;
  readonly logSha256: string;
}

/** The facts of a seal. */
export interface SealFacts {
  readonly tenant: string;
  readonly runId: string;
  readonly outcome: RunOutcome;
  /** Id of the gate that decided the verdict. */
  readonly gate: string;
  readonly cause: string;
  readonly log: EventLog;
  readonly at: Date;
}

export async function findSeal(transaction: Transaction, tenant: string, runId: string): Promise<SealRow | undefined> {
  const { rows } = await transaction.query<SealRow>(
    `select s.state, s.outcome, v.verdict, s.cause, s.log_sha256 as "logSha256" from seals s
     join verdicts v on v.tenant = s.tenant and v.run_id = s.run_id and v.gate = s.gate
       and v.judgement = case s.state when 'ABORTED' then 'END' else 'COMPLETION' end
     where s.tenant = $1 and s.run_id = $2`,
    [tenant, runId],
  );
  return rows[0];
}

export async function insertPreparedSeal(transaction: Transaction, facts: SealFacts): Promise<void> {
  await transaction.query(
    `insert into seals (tenant, run_id, state, outcome, gate, cause, log_head, log_count, log_sha256, prepared_at)
     values ($1, $2, 'PREPARED', $3, $4, $5, $6, $7, $8, $9)`,
    values(facts),
  );
}

/** PREPARED → COMMITTED, if every try was acknowledged. @returns whether this call did it */
export async function commitPreparedSeal(
  transaction: Transaction,
  run: { readonly tenant: string; readonly runId: string },
  at: Date,
): Promise<boolean> {
  const { rowCount } = await transaction.query(
    `update seals as s set state = 'COMMITTED', ended_at = $3
     where tenant = $1 and run_id = $2 and state = 'PREPARED' and not exists (
       select from handoff_calls c where c.tenant = s.tenant and c.run_id = s.run_id and c.phase = 'TRY' and c.state <> 'ACKNOWLEDGED')`,
    [run.tenant, run.runId, at],
  );
  return rowCount === 1;
}

/** Nothing or PREPARED → ABORTED. @returns whether this call did it */
export async function abortUnlessCommitted(transaction: Transaction, facts: SealFacts): Promise<boolean> {
  const { rowCount } = await transaction.query(
    `insert into seals as s (tenant, run_id, state, outcome, gate, cause, log_head, log_count, log_sha256, prepared_at, ended_at)
     values ($1, $2, 'ABORTED', $3, $4, $5, $6, $7, $8, $9, $9)
     on conflict (tenant, run_id) do update set state = 'ABORTED', outcome = excluded.outcome, cause = excluded.cause,
       log_head = excluded.log_head, log_count = excluded.log_count, log_sha256 = excluded.log_sha256, ended_at = excluded.ended_at
     where s.state = 'PREPARED'`,
    values(facts),
  );
  return rowCount === 1;
}

function values({ tenant, runId, outcome, gate, cause, log, at }: SealFacts): unknown[] {
  return [tenant, runId, outcome, gate, cause, log.head, log.count, log.sha256, at];
}
