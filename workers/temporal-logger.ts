import type { Logger, LogLevel, LogMetadata } from "@temporalio/worker";
import type { Log } from "../src/telemetry/log.ts";

const levels = { TRACE: "trace", DEBUG: "debug", INFO: "debug", WARN: "warn", ERROR: "error" } as const;

/** Writes the SDK's log into ours. Its info lines become debug lines; only the fields that identify the workflow or activity are kept. */
export function createTemporalLogger(log: Log): Logger {
  const write = (level: LogLevel, message: string, meta: LogMetadata = {}): void => {
    const { workflowId, runId, activityType, attempt, error } = meta;
    log[levels[level]]({ workflowId, temporalRunId: runId, activityType, attempt, err: error }, message);
  };
  return {
    log: write,
    trace: (message, meta) => write("TRACE", message, meta),
    debug: (message, meta) => write("DEBUG", message, meta),
    info: (message, meta) => write("INFO", message, meta),
    warn: (message, meta) => write("WARN", message, meta),
    error: (message, meta) => write("ERROR", message, meta),
  };
}
