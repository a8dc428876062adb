import type { VerdictJson } from "../../gen/automation/v1/verdict_pb.ts";
import type { RunRow } from "../../runs/run-store.ts";
import type { Transaction } from "../../tenancy/transaction.ts";

/** COMPLETION: whether the run may complete. END: how it stands at an end that is not COMPLETED. */
export type Judgement = "COMPLETION" | "END";

/** Records how a gate judged a run, once for each judgement; the caller holds the run's stream and found none. */
export async function insertVerdict(
  transaction: Transaction,
  { tenant, org, runId, generation, profileDigest }: RunRow,
  { judgement, verdict, at }: { readonly judgement: Judgement; readonly verdict: VerdictJson; readonly at: Date },
): Promise<void> {
  await transaction.query(
    `insert into verdicts (tenant, org, run_id, gate, judgement, generation, profile_digest, verdict, judged_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [tenant, org, runId, verdict.gate, judgement, generation, profileDigest, JSON.stringify(verdict), at],
  );
}

/** Whether a run may complete, by the gate that it is judged at; undefined when that was not judged. */
export async function findCompletionVerdict(
  transaction: Transaction,
  tenant: string,
  runId: string,
  gate: string,
): Promise<VerdictJson | undefined> {
  const { rows } = await transaction.query<{ verdict: VerdictJson }>(
    "select verdict from verdicts where tenant = $1 and run_id = $2 and gate = $3 and judgement = 'COMPLETION'",
    [tenant, runId, gate],
  );
  return rows[0]?.verdict;
}
