import { parentPort, workerData } from "node:worker_threads";
import type { ReportFormatJson } from "../../gen/automation/v1/automation_plan_pb.ts";
import { readTestReport } from "./test-report.ts";

/** Reads one report in a thread of its own, says so, and ends. */
const { format, bytes } = workerData as { readonly format: ReportFormatJson; readonly bytes: Uint8Array };
parentPort?.postMessage(readTestReport(format, bytes));
