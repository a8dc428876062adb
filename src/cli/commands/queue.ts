import type { Command } from "commander";
import { QueueLimitUseSchema } from "../../gen/workflows_runtime/v1/queue_limit_pb.ts";
import { HeldUpRunSchema, QueuedRunsSchema } from "../../gen/workflows_runtime/v1/queue_pb.ts";
import { ListQueueResponseSchema } from "../../gen/workflows_runtime/v1/request_service_pb.ts";
import { withApi } from "../ask/call-api.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import { printList, printMessage, shortName, shortTime } from "../show/output.ts";
import { print } from "../show/terminal.ts";

/** `automation queue`: what waits, and what does not go on. */
export function define(command: Command): void {
  withScope(command).action((options: ScopeOptions) =>
    withApi(options, "viewer", async (api, { json }) => {
      const queue = await api.requests.listQueue({});
      if (json) return printMessage(ListQueueResponseSchema, queue);
      printList(false, QueuedRunsSchema, { items: queue.runs, hasMore: false }, [
        { title: "STATE", of: ({ status }) => shortName(status, "RUN_STATUS_") },
        { title: "RUNS", of: ({ count }) => count },
        { title: "WAITING", of: ({ waiting }) => waiting },
        { title: "STARTING", of: ({ starting }) => starting },
        { title: "OLDEST", of: ({ oldestAt }) => shortTime(oldestAt) },
      ]);
      if (queue.limits.length > 0) {
        print("");
        printList(false, QueueLimitUseSchema, { items: queue.limits, hasMore: false }, [
          { title: "LIMIT", of: ({ limitId }) => limitId },
          { title: "COUNTS", of: ({ scope, value }) => `${shortName(scope, "QUEUE_LIMIT_SCOPE_")} ${value}` },
          { title: "WAITING", of: ({ waiting }) => waiting },
          { title: "RUNNING", of: ({ running }) => running },
          {
            title: "AT MOST",
            of: ({ maxConcurrentRuns }) => (maxConcurrentRuns ?? []).join(" or ") || "no rule has it",
          },
        ]);
      }
      if (queue.heldUp.length === 0) return;
      print("");
      printList(false, HeldUpRunSchema, { items: queue.heldUp, hasMore: false }, [
        { title: "HELD UP", of: ({ runId }) => runId },
        { title: "STATE", of: ({ status }) => shortName(status, "RUN_STATUS_") },
        { title: "SINCE", of: ({ since }) => shortTime(since) },
        {
          title: "WHY",
          of: ({ finding = "", detail = "" }) => [whyOf[finding] ?? finding, detail].filter(Boolean).join(": "),
        },
        { title: "NEXT", of: ({ due }) => (due ? "it is restarted or ended" : "") },
      ]);
    }),
  );
}

const whyOf: Readonly<Record<string, string>> = {
  unbegun: "its workflow waits for a control worker",
  silent: "its workflow is open, but reports nothing",
  completed: "its workflow has completed, but the run has not ended",
  failed: "its workflow failed",
  terminated: "its workflow was terminated",
  cancelled: "its workflow was cancelled at Temporal",
  timed_out: "its workflow timed out at Temporal",
  absent: "Temporal does not know its workflow",
  start_refused: "Temporal refuses to start its workflow",
  cancel_wished: "it was asked to end before it began",
  limit_passed: "a time limit has passed",
  receiver_silent: "a receiver does not answer",
};
