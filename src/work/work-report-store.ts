import type { UploadJson, WorkReportJson } from "../gen/automation/v1/run_work_pb.ts";
import type { WorkFindingsJson } from "../gen/automation/v1/work_findings_pb.ts";
import type { RunRow } from "../runs/run-store.ts";
import type { Transaction } from "../tenancy/transaction.ts";

/** A worker's report of a segment, and the objects it left. */
export interface ReportedWork {
  readonly report: WorkReportJson;
  readonly uploads: readonly UploadJson[];
}

/** Reported work, and what the api found about it when it was completed. */
export interface ExaminedWork extends ReportedWork {
  readonly findings: WorkFindingsJson;
}

/** The valid report of each segment of a run, in the order of the segments: that of the latest generation that completed the segment. */
export async function listWork(transaction: Transaction, tenant: string, runId: string): Promise<ExaminedWork[]> {
  const { rows } = await transaction.query<ExaminedWork>(
    `select distinct on (segment) r.report, r.uploads, f.findings
     from work_reports r join work_findings f using (tenant, run_id, generation, segment)
     where r.tenant = $1 and r.run_id = $2 order by segment, generation desc`,
    [tenant, runId],
  );
  return rows;
}

/** The valid report of one segment. */
export async function findWork(
  transaction: Transaction,
  tenant: string,
  runId: string,
  segment: number,
): Promise<ExaminedWork | undefined> {
  const work = await listWork(transaction, tenant, runId);
  return work.find(({ report }) => report.segment === segment);
}

/** Stores the report of a segment and its findings. The caller has locked the run's stream and found no valid report. */
export async function insertWork(
  transaction: Transaction,
  run: Pick<RunRow, "tenant" | "org" | "runId" | "generation">,
  { report, uploads, findings }: ExaminedWork,
): Promise<void> {
  const key = [run.tenant, run.org, run.runId, run.generation, report.segment];
  await Promise.all([
    transaction.query(
      `insert into work_reports (tenant, org, run_id, generation, segment, attempt, report, uploads)
       values ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [...key, report.attempt, JSON.stringify(report), JSON.stringify(uploads)],
    ),
    transaction.query(
      "insert into work_findings (tenant, org, run_id, generation, segment, findings) values ($1, $2, $3, $4, $5, $6)",
      [...key, JSON.stringify(findings)],
    ),
  ]);
}
