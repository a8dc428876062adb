import type { UploadJson, WorkReportJson } from "../gen/automation/v1/run_work_pb.ts";
import type { WorkFindingsJson } from "../gen/automation/v1/work_findings_pb.ts";
import type { Transaction } from "../tenancy/transaction.ts";

/** The one report of a run's work that counts, and the objects it left. */
export interface ReportedWork {
  readonly report: WorkReportJson;
  readonly uploads: readonly UploadJson[];
}

/** Reported work, and what the api found about it when it was completed. */
export interface ExaminedWork extends ReportedWork {
  readonly findings: WorkFindingsJson;
}

export async function findWorkReport(
  transaction: Transaction,
  tenant: string,
  runId: string,
): Promise<ExaminedWork | undefined> {
  const { rows } = await transaction.query<ExaminedWork>(
    `select r.report, r.uploads, f.findings from work_reports r join work_findings f using (tenant, run_id)
     where r.tenant = $1 and r.run_id = $2`,
    [tenant, runId],
  );
  return rows[0];
}

/** Keeps the report and what was found; the caller holds the run's stream and found none. */
export async function insertWorkReport(
  transaction: Transaction,
  run: { readonly tenant: string; readonly org: string; readonly runId: string },
  { report, uploads, findings }: ExaminedWork,
): Promise<void> {
  await Promise.all([
    transaction.query(
      "insert into work_reports (tenant, run_id, attempt, report, uploads) values ($1, $2, $3, $4, $5)",
      [run.tenant, run.runId, report.attempt, JSON.stringify(report), JSON.stringify(uploads)],
    ),
    transaction.query("insert into work_findings (tenant, org, run_id, findings) values ($1, $2, $3, $4)", [
      ...[run.tenant, run.org, run.runId, JSON.stringify(findings)],
    ]),
  ]);
}
