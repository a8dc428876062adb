import type { UploadJson, WorkReportJson } from "../gen/automation/v1/run_work_pb.ts";
import type { Transaction } from "../tenancy/transaction.ts";

/** The one report of a run's work that counts, and the objects it left. */
export interface ReportedWork {
  readonly report: WorkReportJson;
  readonly uploads: readonly UploadJson[];
}

export async function findWorkReport(
  transaction: Transaction,
  tenant: string,
  runId: string,
): Promise<ReportedWork | undefined> {
  const { rows } = await transaction.query<ReportedWork>(
    "select report, uploads from work_reports where tenant = $1 and run_id = $2",
    [tenant, runId],
  );
  return rows[0];
}

/** Keeps the report; the caller holds the run's stream and found none. */
export async function insertWorkReport(
  transaction: Transaction,
  run: { readonly tenant: string; readonly runId: string },
  { report, uploads }: ReportedWork,
): Promise<void> {
  await transaction.query(
    "insert into work_reports (tenant, run_id, attempt, report, uploads) values ($1, $2, $3, $4, $5)",
    [run.tenant, run.runId, report.attempt, JSON.stringify(report), JSON.stringify(uploads)],
  );
}
