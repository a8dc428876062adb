import { fromJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { Option } from "commander";
import type { QueueHoldJson, QueueSelectionJson } from "../../gen/workflows_runtime/v1/queue_hold_pb.ts";
import { QueueHoldSchema, QueueSelectionSchema } from "../../gen/workflows_runtime/v1/queue_hold_pb.ts";
import type { QueueLimitUseJson } from "../../gen/workflows_runtime/v1/queue_limit_pb.ts";
import { QueueLimitUseSchema } from "../../gen/workflows_runtime/v1/queue_limit_pb.ts";
import type { WaitingRunJson } from "../../gen/workflows_runtime/v1/queue_pb.ts";
import { HeldUpRunSchema, QueuedRunsSchema, WaitingRunSchema } from "../../gen/workflows_runtime/v1/queue_pb.ts";
import { ListQueueResponseSchema } from "../../gen/workflows_runtime/v1/request_service_pb.ts";
import { withApi } from "../ask/call-api.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import { CliError } from "../cli-error.ts";
import { printList, printMessage, shortName, shortTime } from "../show/output.ts";
import { print } from "../show/terminal.ts";

/** `automation queue`: what waits, and what does not go on; and to keep runs from starting. */
export function define(command: Command): void {
  command.enablePositionalOptions(); // the options of hold and release are theirs
  defineHold(command);
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
          { title: "COUNTS", of: countsText },
          { title: "WAITING", of: ({ waiting }) => waiting },
          { title: "RUNNING", of: ({ running }) => running },
          {
            title: "AT MOST",
            of: ({ maxConcurrentRuns }) => (maxConcurrentRuns ?? []).join(" or ") || "no rule has it",
          },
        ]);
      }
      if (queue.next.length > 0) {
        print("");
        printList(false, WaitingRunSchema, { items: queue.next, hasMore: false }, [
          { title: "NEXT", of: ({ position }) => position },
          { title: "RUN", of: ({ runId }) => runId },
          { title: "PRIORITY", of: ({ priority }) => priority },
          { title: "SINCE", of: ({ since }) => shortTime(since) },
          { title: "RULE", of: ({ ruleId }) => ruleId },
          { title: "WAITS FOR", of: waitsText },
        ]);
      }
      if (queue.holds.length > 0) {
        print("");
        printList(false, QueueHoldSchema, { items: queue.holds, hasMore: false }, [
          { title: "ON HOLD", of: ({ what }) => selectionText(what) },
          { title: "ORG", of: ({ org }) => org },
          { title: "WAITING", of: ({ waiting }) => waiting },
          { title: "BY", of: ({ heldBy }) => heldBy },
          { title: "SINCE", of: ({ heldAt }) => shortTime(heldAt) },
          { title: "REASON", of: ({ reason }) => reason },
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

interface SelectionOptions extends ScopeOptions {
  rule?: string;
  repository?: string;
  all?: boolean;
}

function defineHold(queue: Command): void {
  const hold = queue
    .command("hold")
    .description("keep waiting runs of the org from starting, those that come included, until they are released")
    .requiredOption("--reason <text>", "why, for everybody who looks at the queue");
  const release = queue.command("release").description("let held runs start again");
  withScope(withSelection(hold)).action((options: SelectionOptions & { reason: string }) =>
    withApi(options, "operator", async (api, { json }) => {
      const what = fromJson(QueueSelectionSchema, selectionOf(options));
      const { hold: held } = await api.requests.holdQueue({ what, reason: options.reason });
      if (held === undefined) return;
      if (json) return printMessage(QueueHoldSchema, held);
      print(`${selectionText(selectionOf(options))} is on hold, by ${held.heldBy}: ${held.reason}`);
    }),
  );
  withScope(withSelection(release)).action((options: SelectionOptions) =>
    withApi(options, "operator", async (api, { json }) => {
      await api.requests.releaseQueue({ what: fromJson(QueueSelectionSchema, selectionOf(options)) });
      print(json ? "{}" : `${selectionText(selectionOf(options))} is released`);
    }),
  );
}

const withSelection = (command: Command): Command =>
  command
    .addOption(new Option("--rule <id>", "the runs that this rule chose").conflicts(["repository", "all"]))
    .addOption(new Option("--repository <id>", "the runs that work on this repository").conflicts("all"))
    .option("--all", "all runs of the org");

function selectionOf({ rule, repository, all }: SelectionOptions): QueueSelectionJson {
  if (rule !== undefined) return { ruleId: rule };
  if (repository !== undefined) return { repository };
  if (all) return { all: {} };
  throw new CliError(2, "say which runs: --rule ID, --repository ID or --all");
}

function selectionText({ ruleId, repository }: NonNullable<QueueHoldJson["what"]> = {}): string {
  if (ruleId !== undefined) return `rule ${ruleId}`;
  return repository === undefined ? "everything" : `repository ${repository}`;
}

const countsText = ({ scope, value }: QueueLimitUseJson): string =>
  `${shortName(scope, "QUEUE_LIMIT_SCOPE_")} ${value}`;

function waitsText({ limit, hold, nextTryAt }: WaitingRunJson): string {
  if (limit !== undefined) return `limit ${limit.limitId}: ${countsText(limit)}`;
  if (hold !== undefined) return `the hold on ${selectionText(hold)}`;
  return nextTryAt === undefined ? "its turn" : `the next try at ${shortTime(nextTryAt)}`;
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
