import { toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { Argument, Option } from "commander";
import { RunStatus } from "../../gen/automation/v1/run_event_pb.ts";
import type { RunJson } from "../../gen/workflows_runtime/v1/run_pb.ts";
import { RunSchema } from "../../gen/workflows_runtime/v1/run_pb.ts";
import {
  CancelWorkflowRunResponseSchema,
  DescribeWorkflowRunResponseSchema,
} from "../../gen/workflows_runtime/v1/workflow_service_pb.ts";
import { withApi } from "../ask/call-api.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import { byItsBeginning, wholeRunId } from "../ask/whole-id.ts";
import { loadLocalPart } from "../local-part.ts";
import { attemptText, cancelText, refText } from "../show/event-lines.ts";
import { listUpTo, printList, printMessage, shortName, shortTime } from "../show/output.ts";
import { print } from "../show/terminal.ts";
import type { KindAndId } from "../usage/options.ts";
import { limitOption, refOption, wholeNumber } from "../usage/options.ts";
import { defineExport } from "./run-export.ts";
import { defineReproduce } from "./run-reproduce.ts";
import { defineRerun } from "./run-rerun.ts";
import { defineStart } from "./run-start.ts";

/** `automation run`: start, list, describe, watch, cancel, rerun, export and reproduce runs. */
export function define(run: Command): void {
  defineStart(run);
  defineList(run);
  withScope(run.command("describe").description("show one run with its verdict and hand-offs"))
    .addArgument(runArgument())
    .action((run: string, options: ScopeOptions) =>
      withApi(options, "viewer", async (api, { json }) => {
        const described = await api.workflows.describeWorkflowRun({ runId: await wholeRunId(api, run) });
        if (json) return printMessage(DescribeWorkflowRunResponseSchema, described);
        const { describeLines } = await import("../show/describe-lines.ts");
        for (const line of describeLines(toJson(DescribeWorkflowRunResponseSchema, described))) print(line);
      }),
    );
  withScope(run.command("watch").description("follow a run until it ends; exit 0 when it COMPLETED, else 1"))
    .addArgument(runArgument())
    .addOption(
      new Option("--after <sequence>", "begin after this event")
        .default(0)
        .argParser(wholeNumber(0, Number.MAX_SAFE_INTEGER)),
    )
    .action((run: string, options: ScopeOptions & { after: number }) =>
      withApi(options, "viewer", async (api, { json }) => {
        const { watchRun } = await import("./run-watch.ts");
        await watchRun(api, await wholeRunId(api, run), BigInt(options.after), json);
      }),
    );
  withScope(run.command("trace").description("show where the time of a run went, from the event to the hand-off"))
    .addArgument(runArgument())
    .action((run: string, options: ScopeOptions) =>
      withApi(options, "viewer", async (api) => {
        const described = await api.workflows.describeWorkflowRun({ runId: await wholeRunId(api, run) });
        const { showTrace } = await loadLocalPart(() => import("../../../local/traces/show-trace.ts"));
        showTrace(described.run?.traceparent ?? "", options);
      }),
    );
  withScope(run.command("cancel").description("ask a run to end CANCELLED"))
    .addArgument(runArgument())
    .option("--reason <text>", "the reason, shown with the run")
    .action((run: string, options: ScopeOptions & { reason?: string }) =>
      withApi(options, "operator", async (api, { json }) => {
        const runId = await wholeRunId(api, run);
        const answer = await api.workflows.cancelWorkflowRun({ runId, reason: options.reason ?? "" });
        if (json) printMessage(CancelWorkflowRunResponseSchema, answer);
        else print(`run ${runId} was asked to end CANCELLED`);
      }),
    );
  defineRerun(run, runArgument());
  defineExport(run);
  defineReproduce(run);
}

const runArgument = () => new Argument("<run>", `id of the run, ${byItsBeginning}`);

function defineList(run: Command): void {
  const named = Object.keys(RunStatus).filter((name) => name !== "UNSPECIFIED");
  const command = run
    .command("list")
    .description("list runs, newest first")
    .addOption(new Option("--status <status>", "runs in this status").choices(named))
    .option("--profile <id>", "runs judged by this profile")
    .addOption(refOption("runs with this reference, for example sprint:S-7"))
    .addOption(limitOption());
  withScope(command).action(
    (options: ScopeOptions & { status?: string; profile?: string; ref?: KindAndId; limit: number }) =>
      withApi(options, "viewer", async (api, { json }) => {
        const status = RunStatus[options.status as keyof typeof RunStatus];
        const listed = await listUpTo(options.limit, async (pageSize, pageToken) => {
          const { profile: profileId, ref: reference } = options;
          const page = await api.workflows.listWorkflowRuns({ status, profileId, reference, pageSize, pageToken });
          return { items: page.runs, nextPageToken: page.nextPageToken };
        });
        printList(json, RunSchema, listed, [
          { title: "RUN", of: ({ id }) => id },
          { title: "STATUS", of: (row) => shortName(row.status, "RUN_STATUS_") },
          { title: "PROFILE", of: ({ profileId, profileVersion }) => `${profileId}@${profileVersion}` },
          { title: "WORK ITEMS", of: ({ references }) => references?.workItems?.map(refText).join(" ") },
          { title: "CREATED", of: ({ createdAt }) => shortTime(createdAt) },
          { title: "ENDED", of: ({ endedAt }) => shortTime(endedAt) },
          { title: "REASON", of: reasonInList },
        ]);
      }),
  );
}

/** The reason of its end; before the end, a cancel or a repeated attempt. */
function reasonInList({ reason, endedAt, cancel, attempt }: RunJson): string {
  if (reason !== undefined || endedAt !== undefined) return reason ?? "";
  const told = [cancel === undefined ? "" : `cancel ${cancelText(cancel)}`, attemptText(attempt ?? {})];
  return told.filter((text) => text !== "").join("; ");
}
