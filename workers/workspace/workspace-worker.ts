import { availableParallelism, freemem } from "node:os";
import { dirname } from "node:path";
import { Worker } from "@temporalio/worker";
import { createApiClient } from "../../src/client/api-client.ts";
import type { Environment } from "../../src/config/environment.ts";
import { workspaceTaskQueue } from "../../src/drivers/temporal/contract.ts";
import { mirrorsPruned } from "../../src/telemetry/events.ts";
import type { Log } from "../../src/telemetry/log.ts";
import { observeSlots } from "../../src/telemetry/metrics/work-metrics.ts";
import { currentTrace } from "../../src/telemetry/spans.ts";
import type { PreparedWorker } from "../poll-while-able.ts";
import { traceActivities } from "../trace-activities.ts";
import { fetchBundle } from "./activities/fetch-bundle.ts";
import { createPersonaAtWork } from "./activities/persona-at-work.ts";
import type { RunApiFor } from "./activities/run-api.ts";
import { createRunTests } from "./activities/run-tests.ts";
import { boxLimitsOf } from "./activities/work-job.ts";
import { createWorkSegment } from "./activities/work-segment.ts";
import { createCaptureTree } from "./capture/capture-tree.ts";
import { createReadOut } from "./capture/read-out.ts";
import { createGitRepositories } from "./repo/git-repositories.ts";
import { createBundleCache } from "./runtimes/bundle-cache.ts";
import { createCommandRuntime } from "./runtimes/command/command-runtime.ts";
import { createListen } from "./runtimes/command/listen.ts";
import { createRunCommand } from "./runtimes/command/run-command.ts";
import { openRunArea } from "./sandbox/area/run-area.ts";
import { createBubblewrap } from "./sandbox/bubblewrap.ts";
import { createSlots, ownerOfSlot } from "./sandbox/slots.ts";
import { tryBox } from "./sandbox/try-box.ts";

/** Memory per slot when the number of slots is computed, bytes. */
const memoryPerSlot = 2 * 1024 ** 3;

/** A worker that stopped for lack of room begins again when this many times the minimum is free. */
const roomToBegin = 2;

/**
 * Opens the run area, removes what an earlier worker left, and proves the sandbox, before there is a worker that polls.
 * @throws SandboxUnprovenError with the claim that does not hold and its remedy; Error when the area is another worker's
 */
export async function createWorkspaceWorker(
  environment: Environment<"workspace">,
  { token, log, signal }: { readonly token: () => string; readonly log: Log; readonly signal: AbortSignal },
): Promise<PreparedWorker> {
  const now = () => new Date();
  const area = await openRunArea({
    ownerOf: ownerOfSlot,
    root: environment.AUTOMATION_RUN_AREA,
    nodeDir: dirname(dirname(process.execPath)),
    signal,
  });
  await area.reap(signal);
  const sandbox = createBubblewrap({ area });
  let sandboxReport = await sandbox.prove(signal);
  log.info({ isolation: sandboxReport.isolation, engine: sandboxReport.engine }, "the sandbox is proven");

  const apiUrl = environment.AUTOMATION_API_URL;
  const apiFor: RunApiFor = ({ tenant, org }) => createApiClient({ apiUrl, token, tenant, org, trace: currentTrace });
  const secrets = () => [token()];
  const listen = createListen();
  const runCommand = createRunCommand({ sandbox, listen, secrets });
  let isDoubtful = false;
  const slots = createSlots(environment.AUTOMATION_WORKSPACE_SLOTS ?? slotsOfHost());
  observeSlots(() => ({ used: slots.used(), free: slots.count - slots.used() }));
  const workSegment = createWorkSegment({
    apiFor,
    area,
    sandbox,
    sandboxReport: () => sandboxReport,
    onSandboxFault: () => {
      isDoubtful = true;
    },
    slots,
    now,
    repositories: createGitRepositories({
      area,
      roots: environment.AUTOMATION_REPOSITORY_ROOTS,
      hosts: environment.AUTOMATION_REPOSITORY_HOSTS,
      caFile: environment.AUTOMATION_REPOSITORY_CA_FILE,
      gitMemoryBytes: environment.AUTOMATION_GIT_MEMORY_BYTES,
      mirrorQuotaBytes: environment.AUTOMATION_MIRROR_QUOTA_BYTES,
      onPruned: (pruned) => mirrorsPruned(log, pruned),
    }),
    captureTree: createCaptureTree({ sandbox }),
    runTests: createRunTests({ sandbox, runCommand, readOut: createReadOut({ sandbox }) }),
    runCommand: ({ step, argv, workspace, home }, { slot, pins, tell }, stop) =>
      runCommand(
        {
          stepId: step.id ?? "",
          slot,
          argv,
          workspace,
          home,
          limits: boxLimitsOf(pins.policy ?? {}, step),
          expectZero: true,
        },
        tell,
        stop,
      ),
    personaAtWork: createPersonaAtWork({
      bundles: createBundleCache({ bundlesDir: area.bundlesDir, now }),
      fetchBundle: ({ scope }, digest, limit) => fetchBundle(apiFor(scope), scope, digest, limit),
      runtimes: { command: createCommandRuntime({ sandbox, listen, secrets }) },
    }),
  });
  /** While work runs, one small box is tried. The whole proof uses slots of the work, so it waits until the worker is idle. */
  const faultOfSandbox = async (isIdle: boolean): Promise<string | undefined> => {
    if (!isDoubtful) return undefined;
    try {
      if (isIdle) {
        await area.reap(signal);
        sandboxReport = await sandbox.prove(signal);
      } else await tryBox({ sandbox, area }, slots.count, signal);
      isDoubtful = false;
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  return {
    obstacle: async (isIdle) => {
      const room = await area.faultOfRoom(isIdle ? roomToBegin : 1).catch((error: Error) => error.message);
      return room ?? (await faultOfSandbox(isIdle));
    },
    close: () => area.close(),
    create: (at) =>
      Worker.create({
        ...at,
        taskQueue: workspaceTaskQueue(sandbox.isolation),
        activities: { workSegment },
        interceptors: traceActivities,
        maxConcurrentActivityTaskExecutions: slots.count,
        maxHeartbeatThrottleInterval: "5 s",
        defaultHeartbeatThrottleInterval: "3 s",
        shutdownGraceTime: "2 s",
        shutdownForceTime: "8 s", // boxes are killed long before that
      }),
  };
}

/** One box per core, as far as memory goes; at least one. */
function slotsOfHost(): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / memoryPerSlot)));
}
