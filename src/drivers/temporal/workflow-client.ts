import type { TLSConfig } from "@temporalio/client";
import { Client, Connection, isGrpcServiceError, ServiceError, WorkflowNotFoundError } from "@temporalio/client";
import type { Payload } from "@temporalio/common";
import {
  defaultPayloadConverter,
  defineSearchAttributeKey,
  WorkflowExecutionAlreadyStartedError,
} from "@temporalio/common";
import type { Closed, RunToStart, Workflows } from "../../admission/workflows.ts";
import { currentTrace } from "../../telemetry/spans.ts";
import type { RunResult } from "./contract.ts";
import { automationRunType, doorbellSignal, outcomeName, partsOfWorkflowId, workflowIdOf } from "./contract.ts";
import { startOptionsOf } from "./start-options.ts";
import { headersOfTrace } from "./trace-headers.ts";

/** Longest wait for one answer, milliseconds; half of a release claim. */
const callLimitMs = 5_000;
const lookLimitMs = 2_000;
const invalidArgument = 3;

export interface Temporal extends Workflows {
  close(): Promise<void>;
}

/** Temporal for the dispatcher; it connects with the first call, and again whenever it has to. */
export function createTemporal(options: {
  readonly address: string;
  readonly namespace: string;
  readonly tls?: TLSConfig | undefined;
}): Temporal {
  const { address, namespace, tls = null } = options;
  const connection = Connection.lazy({ address, tls });
  const { workflow: workflows } = new Client({
    connection,
    namespace,
    interceptors: {
      workflow: [
        {
          startWithDetails: (input, next) =>
            next({ ...input, headers: { ...input.headers, ...headersOfTrace(currentTrace()) } }),
        },
      ],
    },
  });
  const limited = <T>(limitMs: number, call: () => Promise<T>) => connection.withDeadline(Date.now() + limitMs, call);
  return {
    async start(run: RunToStart) {
      try {
        await limited(callLimitMs, () => workflows.start(automationRunType, startOptionsOf(run)));
        return { state: "started" };
      } catch (cause) {
        if (cause instanceof WorkflowExecutionAlreadyStartedError) return { state: "started" };
        return { state: isRefusal(cause) ? "refused" : "away", cause };
      }
    },
    async ring({ tenant, runId, generation }) {
      try {
        const handle = workflows.getHandle(workflowIdOf(tenant, runId, generation));
        await limited(callLimitMs, () => handle.signal(doorbellSignal));
        return { state: "rung" };
      } catch (cause) {
        return cause instanceof WorkflowNotFoundError ? { state: "absent" } : { state: "away", cause };
      }
    },
    async look({ tenant, runId, generation }) {
      const handle = workflows.getHandle(workflowIdOf(tenant, runId, generation));
      try {
        const { status, runId: executionRunId } = await limited(callLimitMs, () => handle.describe());
        const how = closedAs.get(status.name);
        if (how === undefined) return { state: "open" };
        const { history } = await limited(callLimitMs, () =>
          connection.workflowService.getWorkflowExecutionHistoryReverse({
            namespace,
            execution: { workflowId: handle.workflowId, runId: executionRunId },
            maximumPageSize: 1,
          }),
        );
        const [last] = history?.events ?? [];
        if (how === "completed")
          return { state: "closed", how, end: toldEnd(last?.workflowExecutionCompletedEventAttributes) };
        const terminated = last?.workflowExecutionTerminatedEventAttributes?.reason;
        const failed = last?.workflowExecutionFailedEventAttributes?.failure?.message;
        return { state: "closed", how, reason: terminated ?? failed ?? "" };
      } catch (cause) {
        return cause instanceof WorkflowNotFoundError ? { state: "absent" } : { state: "away", cause };
      }
    },
    reachable: () =>
      limited(lookLimitMs, () => connection.workflowService.describeNamespace({ namespace })).then(
        () => true,
        () => false,
      ),
    async *list(since) {
      const moment = since?.toISOString();
      const times = moment === undefined ? "" : ` and (StartTime >= "${moment}" or CloseTime >= "${moment}")`;
      for await (const each of workflows.list({ query: `WorkflowType = "${automationRunType}"${times}` })) {
        const run = partsOfWorkflowId(each.workflowId);
        if (run === undefined) continue;
        const isOpen = each.status.name === "RUNNING";
        const told = each.typedSearchAttributes.get(toldOutcome) ?? each.status.name;
        yield { ...run, state: isOpen ? "open" : "closed", told, startedAt: each.startTime, closedAt: each.closeTime };
      }
    },
    close: () => connection.close(),
  };
}

/** Whether the server refuses the request, or the client the payload. Any other error says nothing about this run. */
function isRefusal(error: unknown): boolean {
  const cause = error instanceof ServiceError ? error.cause : error;
  return isGrpcServiceError(cause) ? cause.code === invalidArgument : !(error instanceof ServiceError);
}

/** Set by the workflow once the api has sealed an end. */
const toldOutcome = defineSearchAttributeKey("RunOutcome", "KEYWORD");

/** @param completed - with the workflow's result */
function toldEnd(completed: { readonly result?: { readonly payloads?: Payload[] | null } | null } | null | undefined) {
  const [payload] = completed?.result?.payloads ?? [];
  if (payload === undefined) return undefined;
  const { outcome, lastSequence = "0" } = defaultPayloadConverter.fromPayload<RunResult>(payload);
  return outcome === undefined ? undefined : { outcome: outcomeName(outcome), lastSequence: Number(lastSequence) };
}

const closedAs: ReadonlyMap<string, Closed> = new Map([
  ["COMPLETED", "completed"],
  ["FAILED", "failed"],
  ["TERMINATED", "terminated"],
  ["CANCELLED", "cancelled"],
  ["TIMED_OUT", "timed_out"],
]);
