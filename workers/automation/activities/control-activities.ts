import { fromJson, toJson } from "@bufbuild/protobuf";
import type { CallOptions } from "@connectrpc/connect";
import { ApplicationFailure, Context } from "@temporalio/activity";
import type { createApiClient } from "../../../src/client/api-client.ts";
import type { ControlActivities, RunScope } from "../../../src/drivers/temporal/contract.ts";
import type { RunPinsJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import {
  AbortSealRequestSchema,
  AbortSealResponseSchema,
  BeginRunResponseSchema,
  CommitSealResponseSchema,
  DeliverHandoffResponseSchema,
  PrepareSealResponseSchema,
} from "../../../src/gen/workflows_runtime/v1/run_worker_service_pb.ts";
import { ReportWorkflowStatusResponseSchema } from "../../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import { storableJson } from "../../../src/text/strangers-text.ts";
import { failureOf } from "../../retryable-failure.ts";

type ApiClient = ReturnType<typeof createApiClient>;

export interface ControlActivitiesDeps {
  /** The api, as one tenant and org see it. */
  readonly apiFor: (scope: Pick<RunScope, "tenant" | "org">) => Pick<ApiClient, "runWorker" | "workflows">;
}

/** The call times out this much before Temporal's own timeout, in milliseconds: its error says more. */
const marginMs = 100;
/** Shortest time between two questions about a run's limits, milliseconds: the clocks of api and worker may differ. */
const shortestWaitMs = 200;

/** Activities of the control queue, for their local and their regular form alike; each is one api call that may be repeated. */
export function createControlActivities({ apiFor }: ControlActivitiesDeps): ControlActivities {
  const deliver = (scope: RunScope) =>
    heartbeating(() =>
      callApi(async (options) =>
        toJson(
          DeliverHandoffResponseSchema,
          await apiFor(scope).runWorker.deliverHandoff({ execution: executionOf(scope) }, options),
        ),
      ),
    );
  const reportStatus = (scope: RunScope) =>
    callApi(async (options) =>
      toJson(
        ReportWorkflowStatusResponseSchema,
        await apiFor(scope).workflows.reportWorkflowStatus({ execution: executionOf(scope) }, options),
      ),
    );
  return {
    beginRun: (scope, startCapability) =>
      callApi(async (options) => {
        const request = { execution: executionOf(scope), startCapability };
        const begun = await apiFor(scope).runWorker.beginRun(request, options);
        const { pins, refused, desiredState, exceededLimit, noLimitBefore } = toJson(BeginRunResponseSchema, begun);
        return {
          refused,
          desiredState,
          exceededLimit,
          noLimitBefore,
          ...(pins === undefined ? {} : { work: workOf(pins) }),
        };
      }),
    reportStatus,
    awaitLimit: async (scope) => {
      const { exceededLimit, noLimitBefore } = await reportStatus(scope);
      if (exceededLimit !== undefined) return exceededLimit;
      throw ApplicationFailure.create({
        message: "no limit of time has passed yet",
        type: "WithinLimits",
        category: "BENIGN",
        // Without a time, Temporal's own pause is kept: a delay that is no number ends the whole worker.
        nextRetryDelay:
          noLimitBefore === undefined ? undefined : Math.max(shortestWaitMs, Date.parse(noLimitBefore) - Date.now()),
      });
    },
    prepareSeal: (scope) =>
      callApi(async (options) =>
        toJson(
          PrepareSealResponseSchema,
          await apiFor(scope).runWorker.prepareSeal({ execution: executionOf(scope), finish: true }, options),
        ),
      ),
    deliverHandoff: deliver,
    awaitHandoff: async (scope) => {
      const handoff = await deliver(scope);
      if (handoff.progress !== "HANDOFF_PROGRESS_PENDING" || handoff.desiredState === "DESIRED_STATE_CANCEL")
        return handoff;
      throw ApplicationFailure.create({
        message: handoff.reason || "a receiver of the hand-off has not answered yet",
        type: "HandoffPending",
        category: "BENIGN",
      });
    },
    commitSeal: (scope) =>
      callApi(async (options) =>
        toJson(
          CommitSealResponseSchema,
          await apiFor(scope).runWorker.commitSeal({ execution: executionOf(scope) }, options),
        ),
      ),
    abortSeal: (scope, end) =>
      callApi(async (options) => {
        const request = fromJson(AbortSealRequestSchema, { execution: executionOf(scope), ...storableJson(end) });
        return toJson(AbortSealResponseSchema, await apiFor(scope).runWorker.abortSeal(request, options));
      }),
  };
}

const workOf = ({ isolation = "ISOLATION_CLASS_UNSPECIFIED", segments = [] }: RunPinsJson) => ({
  isolation,
  segments: segments.map(({ segment = 0 }) => segment),
});

/** Sends heartbeats during a long call, so that Temporal notices soon when the worker is gone. */
async function heartbeating<T>(call: () => Promise<T>): Promise<T> {
  const context = Context.current();
  const { heartbeatTimeoutMs = 0 } = context.info;
  if (heartbeatTimeoutMs === 0) return call();
  const timer = setInterval(() => context.heartbeat(), heartbeatTimeoutMs / 4);
  try {
    return await call();
  } finally {
    clearInterval(timer);
  }
}

/** Gives a call the activity's cancellation and a limit below the activity's own. */
async function callApi<T>(call: (options: CallOptions) => Promise<T>): Promise<T> {
  const { cancellationSignal, info } = Context.current();
  try {
    return await call({ signal: cancellationSignal, timeoutMs: info.startToCloseTimeoutMs - marginMs });
  } catch (error) {
    throw failureOf(error, cancellationSignal);
  }
}

/** How the api is told which execution speaks. */
export const executionOf = ({ runId, generation, firstExecutionRunId }: RunScope) => ({
  runId,
  generation,
  firstExecutionRunId,
});
