import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Logger, NativeConnection, WorkflowBundleOption, WorkflowBundleWithSourceMap } from "@temporalio/worker";
import { bundleWorkflowCode, Worker } from "@temporalio/worker";
import type { ControlActivities } from "../../src/drivers/temporal/contract.ts";
import { controlTaskQueue } from "../../src/drivers/temporal/contract.ts";
import { traceActivities } from "../trace-activities.ts";

/** Where an image has the compiled workflows; a clone has none. */
export const builtBundle: string = join(import.meta.dirname, "workflow-bundle.js");

/** The workflows for a worker: as the image was built with them, else compiled now. */
export async function workflowsOf(logger: Logger): Promise<WorkflowBundleOption> {
  return existsSync(builtBundle) ? { codePath: builtBundle } : await bundleWorkflows(logger);
}

/** Compiles the workflows with all they import; a Node built-in or a driver among it fails here. Takes about a second. */
export function bundleWorkflows(logger: Logger): Promise<WorkflowBundleWithSourceMap> {
  return bundleWorkflowCode({
    logger,
    workflowsPath: join(import.meta.dirname, "workflows", "automation-run.ts"),
    workflowInterceptorModules: [join(import.meta.dirname, "workflows", "carry-headers.ts")],
  });
}

/**
 * A worker of the control queue: workflow tasks, and the api calls of the runs in both forms.
 * @param buildId - what this worker executes, in the Worker Deployment of the queue's name: a run ends on the build on which it began, and Temporal gives new runs to the build that is set as current. None: any worker goes on with any run
 */
export function createControlWorker(options: {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly activities: ControlActivities;
  readonly workflowBundle: WorkflowBundleOption;
  readonly buildId?: string;
}): Promise<Worker> {
  const { buildId, ...rest } = options;
  return Worker.create({
    ...rest,
    taskQueue: controlTaskQueue,
    ...(buildId !== undefined && {
      workerDeploymentOptions: {
        version: { deploymentName: controlTaskQueue, buildId },
        useWorkerVersioning: true,
        defaultVersioningBehavior: "PINNED",
      },
    }),
    interceptors: traceActivities,
    maxCachedWorkflows: 500, // a run's workflow is small and mostly waits; past this it is replayed
    maxConcurrentWorkflowTaskExecutions: 40,
    maxConcurrentActivityTaskExecutions: 100,
    maxConcurrentLocalActivityExecutions: 100,
    shutdownGraceTime: "3 s",
    shutdownForceTime: "8 s", // a call that never returns must not keep the process
  });
}
