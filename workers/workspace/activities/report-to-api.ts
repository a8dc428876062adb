import { fromJson } from "@bufbuild/protobuf";
import { ReportWorkflowStatusRequestSchema } from "../../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import { storableJson } from "../../../src/text/strangers-text.ts";
import type { executionOf } from "../../automation/activities/control-activities.ts";
import { isFinalAnswer } from "./ask-api.ts";
import type { SendReport } from "./event-spool.ts";
import type { RunApi } from "./run-api.ts";

const limitMs = 10_000;

/** How a spool reaches the api: as this attempt of this execution. */
export function reportToApi(
  api: RunApi,
  who: { readonly execution: ReturnType<typeof executionOf>; readonly attempt: number },
): { readonly send: SendReport; readonly isFinal: (error: unknown) => boolean } {
  return {
    send: async ({ events, isRunning, baseCommit }, signal) => {
      const request = fromJson(ReportWorkflowStatusRequestSchema, {
        ...who,
        events: storableJson([...events]),
        ...(isRunning === undefined ? {} : { status: "RUN_STATUS_RUNNING" }),
        ...(baseCommit === undefined ? {} : { baseCommit }),
      });
      const answer = await api.workflows.reportWorkflowStatus(request, { signal, timeoutMs: limitMs });
      return { baseCommit: answer.baseCommit };
    },
    isFinal: isFinalAnswer,
  };
}
