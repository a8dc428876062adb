import type { WorkReportJson } from "../gen/automation/v1/run_work_pb.ts";
import type { Transaction } from "../tenancy/transaction.ts";
import { findWorkReport } from "./work-report-store.ts";

/** The report of a run's work, once it stands. */
export async function findWork(
  transaction: Transaction,
  tenant: string,
  runId: string,
): Promise<WorkReportJson | undefined> {
  return (await findWorkReport(transaction, tenant, runId))?.report;
}
