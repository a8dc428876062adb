import { fileURLToPath } from "node:url";
import type { Logger, NativeConnection, WorkflowBundleWithSourceMap } from "@temporalio/worker";
import { bundleWorkflowCode, Worker } from "@temporalio/worker";
import type { ControlActivities } from "../../src/drivers/temporal/contract.ts";
import { controlTaskQueue } from "../../src/drivers/temporal/contract.ts";
import { traceActivities } from "../trace-activities.ts";

/** Compiles the workflows with all they import; a Node built-in or a driver among it fails here. Takes about a second. */
export function bundleWorkflows(logger: Logger): Promise<WorkflowBundleWithSourceMap> {
  return bundleWorkflowCode({
    logger,
    workflowsPath: fileURLToPath(new URL("./workflows/automation-run.ts", import.meta.url)),
    workflowInterceptorModules: [fileURLToPath(new URL("./workflows/carry-headers.ts", import.meta.url))],
  });
}

/** A worker of the control queue: workflow tasks, and the api calls of the runs in both forms. */
export function createControlWorker(options: {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly activities: ControlActivities;
  readonly workflowBundle: WorkflowBundleWithSourceMap;
}): Promise<Worker> {
  return Worker.create({
    ...options,
    taskQueue: controlTaskQueue,
    interceptors: traceActivities,
    maxCachedWorkflows: 500, // a run's workflow is small and mostly waits; past this it is replayed
    maxConcurrentWorkflowTaskExecutions: 40,
    maxConcurrentActivityTaskExecutions: 100,
    maxConcurrentLocalActivityExecutions: 100,
    shutdownGraceTime: "3 s",
    shutdownForceTime: "8 s", // a call that never returns must not keep the process
  });
}
