import { gauge, histogram, secondsOfCalls } from "../instruments.ts";

const calls = histogram({
  name: "rpc.server.call.duration.seconds",
  unit: "s",
  description:
    "Calls that the api answered, by method and Connect code (ok when there was none); a stream until it begins.",
  labels: ["rpc_method", "rpc_response_status_code"],
  processes: ["api"],
  buckets: secondsOfCalls,
});

const watchers = gauge({
  name: "automation.watch.streams",
  unit: "{stream}",
  description: "Open streams of run events.",
  labels: [],
  processes: ["api"],
});

/** @param method - with its service: `workflows_runtime.v1.WorkflowService/ListWorkflowRuns` */
export const callAnswered = (method: string, code: string, tookMs: number): void =>
  calls({ rpc_method: method, rpc_response_status_code: code }, tookMs / 1_000);

export const observeWatchers = (count: () => number): void => watchers(() => [{ value: count(), labels: {} }]);
