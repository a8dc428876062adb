import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { ReportFormatJson } from "../../gen/automation/v1/automation_plan_pb.ts";
import type { TestReport } from "./test-report.ts";
import { readTestReport } from "./test-report.ts";

/** What is read at once: a hostile one of this size takes a third of a second. */
const smallBytes = 256 * 1024;
/** Less than a caller waits; a real report of the largest size takes one. */
const limitMs = 8_000;
const memoryMb = 512;

/**
 * Reads a test report like `readTestReport`, a large one in a thread that gets 8 s and 512 MiB: a hostile report costs its own run time, and nobody else theirs.
 */
export async function readAside(
  format: ReportFormatJson,
  bytes: Uint8Array,
): Promise<TestReport | { readonly fault: string }> {
  if (bytes.byteLength <= smallBytes) return readTestReport(format, bytes);
  const thread = new Worker(new URL("./report-thread.ts", import.meta.url), {
    env: {},
    execArgv: [],
    workerData: { format, bytes },
    resourceLimits: { maxOldGenerationSizeMb: memoryMb },
  });
  const limit = AbortSignal.timeout(limitMs);
  try {
    const [report] = (await once(thread, "message", { signal: limit })) as [TestReport | { readonly fault: string }];
    return report;
  } catch (error) {
    if (limit.aborted) return { fault: `the report can't be read within ${limitMs} ms; make it smaller or simpler` };
    if ((error as NodeJS.ErrnoException).code === "ERR_WORKER_OUT_OF_MEMORY")
      return { fault: `the report can't be read within ${memoryMb} MiB; make it smaller or simpler` };
    throw error;
  } finally {
    await thread.terminate();
  }
}
