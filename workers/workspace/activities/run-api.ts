import { fromJson } from "@bufbuild/protobuf";
import type { ApiClient } from "../../../src/client/api-client.ts";
import type { RunScope } from "../../../src/drivers/temporal/contract.ts";
import { ReportWorkflowStatusRequestSchema } from "../../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import { storableJson } from "../../../src/text/strangers-text.ts";
import type { executionOf } from "../../automation/activities/control-activities.ts";
import { failureOf } from "../../retryable-failure.ts";
import type { SendReport } from "./event-spool.ts";
import { untilItPasses } from "./until-it-passes.ts";

/** The services of the api that work calls. */
export type RunApi = Pick<ApiClient, "runWorker" | "workflows" | "agents">;

/** Makes clients for one tenant and org. */
export type RunApiFor = (scope: Pick<RunScope, "tenant" | "org">) => RunApi;

const longestPauseMs = 10_000;
const reportLimitMs = 10_000;
const never = new AbortController().signal;

/** Whether a repetition of the call would fail the same way. */
export function isFinalAnswer(error: unknown): boolean {
  return (failureOf(error, never) as { nonRetryable?: boolean | null }).nonRetryable === true;
}

/**
 * Repeats a call until the api answers. An api that is away costs the run time, but no attempt.
 * @param ask - one call with a time limit, safe to repeat
 * @throws the api's error when a repetition can't help; the signal's reason
 */
export function askApi<Answer>(ask: () => Promise<Answer>, signal: AbortSignal): Promise<Answer> {
  const isPassing = (error: unknown) => !isFinalAnswer(error);
  return untilItPasses(ask, { isPassing, longestPauseMs, onPause: () => undefined }, signal);
}

/** Connects a spool to the api, as one attempt of one execution. */
export function reportToApi(
  api: RunApi,
  who: {
    readonly execution: ReturnType<typeof executionOf>;
    readonly attempt: { readonly segment: number; readonly number: number };
  },
): { readonly send: SendReport; readonly isFinal: (error: unknown) => boolean } {
  return {
    send: async ({ events, isRunning, baseCommit }, signal) => {
      const request = fromJson(ReportWorkflowStatusRequestSchema, {
        ...who,
        events: storableJson([...events]),
        ...(isRunning === undefined ? {} : { status: "RUN_STATUS_RUNNING" }),
        ...(baseCommit === undefined ? {} : { baseCommit }),
      });
      const answer = await api.workflows.reportWorkflowStatus(request, { signal, timeoutMs: reportLimitMs });
      return { baseCommit: answer.baseCommit };
    },
    isFinal: isFinalAnswer,
  };
}
