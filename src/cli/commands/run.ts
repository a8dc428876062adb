import { randomUUID } from "node:crypto";
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { create, toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { Argument, Option } from "commander";
import type { ApiClient } from "../../client/api-client.ts";
import { RunEventSchema, RunStatus } from "../../gen/automation/v1/run_event_pb.ts";
import type { RunRequested } from "../../gen/automation/v1/run_requested_pb.ts";
import { MethodologyContextSchema, RunRequestedSchema } from "../../gen/automation/v1/run_requested_pb.ts";
import { Disposition } from "../../gen/workflows_runtime/v1/delivery_pb.ts";
import type { RunJson } from "../../gen/workflows_runtime/v1/run_pb.ts";
import { RunSchema } from "../../gen/workflows_runtime/v1/run_pb.ts";
import {
  CancelWorkflowRunResponseSchema,
  DescribeWorkflowRunResponseSchema,
  StartWorkflowRunResponseSchema,
} from "../../gen/workflows_runtime/v1/workflow_service_pb.ts";
import { withApi } from "../ask/call-api.ts";
import { followRun } from "../ask/follow-run.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import { byItsBeginning, wholeRunId } from "../ask/whole-id.ts";
import type { Detail } from "../cli-error.ts";
import { CliError } from "../cli-error.ts";
import { untilInterrupted } from "../interrupt.ts";
import type { YamlDocument } from "../read/read-documents.ts";
import { parseDocuments, readDocuments } from "../read/read-documents.ts";
import { checkMessage } from "../read/yaml-message.ts";
import { describeLines } from "../show/describe-lines.ts";
import { attemptText, cancelText, createEventTeller, refText } from "../show/event-lines.ts";
import { listUpTo, printList, printMessage, shortName, shortTime } from "../show/output.ts";
import { jsonText, print, printError, tint } from "../show/terminal.ts";
import { withCheck, withExample } from "../usage/explain-usage.ts";
import type { KindAndId } from "../usage/options.ts";
import { limitOption, refOption, wholeNumber } from "../usage/options.ts";

interface StartOptions extends ScopeOptions {
  file?: string;
  requestId?: string;
  profile?: string;
  definition?: string;
  repository?: string;
  ref?: string;
  context?: string;
  workKind?: string;
  goal?: string;
  watch?: boolean;
}

/** `automation run`: start, list, describe, watch and cancel runs. */
export function registerRun(program: Command): void {
  const run = program.command("run").description("start, list, describe, watch and cancel runs");
  registerStart(run);
  registerList(run);
  withScope(run.command("describe").description("show one run with its verdict and hand-offs"))
    .addArgument(runArgument())
    .action((run: string, options: ScopeOptions) =>
      withApi(options, "viewer", async (api, { json }) => {
        const described = await api.workflows.describeWorkflowRun({ runId: await wholeRunId(api, run) });
        if (json) printMessage(DescribeWorkflowRunResponseSchema, described);
        else for (const line of describeLines(toJson(DescribeWorkflowRunResponseSchema, described))) print(line);
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
      withApi(options, "viewer", async (api, { json }) =>
        watch(api, await wholeRunId(api, run), BigInt(options.after), json),
      ),
    );
  withScope(run.command("cancel").description("ask a run to end CANCELLED"))
    .addArgument(runArgument())
    .option("--reason <text>", "why, for those who read the run later")
    .action((run: string, options: ScopeOptions & { reason?: string }) =>
      withApi(options, "operator", async (api, { json }) => {
        const runId = await wholeRunId(api, run);
        const answer = await api.workflows.cancelWorkflowRun({ runId, reason: options.reason ?? "" });
        if (json) printMessage(CancelWorkflowRunResponseSchema, answer);
        else print(`run ${runId} was asked to end CANCELLED`);
      }),
    );
}

const runArgument = () => new Argument("<run>", `id of the run, ${byItsBeginning}`);

function registerStart(run: Command): void {
  const command = run
    .command("start")
    .description("ask for a run: by a file, or by options")
    .option(
      "-f, --file <path>",
      "YAML or JSON of automation.v1.RunRequested, the payload of an event; - for standard input",
    )
    .option("--request-id <id>", "names the request: the same id again answers the same run; a new id unless told")
    .option("--profile <id>", "methodology profile that judges the run, newest version")
    .option("--definition <id>", "automation to run, channel stable; else a rule or the profile decides")
    .option("--repository <id>", "repository worked on; else the plan's")
    .option("--ref <name>", "branch, tag or commit to begin from; else the repository's default; needs --repository")
    .option(
      "--context <yaml>",
      "what the run is about: YAML or JSON of automation.v1.MethodologyContext, for example '{scrum: {sprint: S-7}}'",
    )
    .option("--work-kind <kind>", "the methodology's word for the item, for example story")
    .option("--goal <text>", "what the run shall achieve")
    .option("--watch", "follow the run until it ends; exit 0 when it COMPLETED, else 1");
  withExample(
    withCheck(withScope(command), startFaults),
    "--profile scrum-team-tested --definition story-repair --context '{scrum: {sprint: S-7, backlogItems: [PBI-44]}}' --watch --tenant acme --org retail",
  ).action(async (options: StartOptions) => {
    const request =
      options.file === undefined
        ? requestOfOptions(options)
        : messageOf(RunRequestedSchema, readDocuments(options.file), options.file);
    const started = withApi(options, "operator", async (api, { json }) => {
      const requestId = options.requestId ?? randomUUID();
      const started = await api.workflows.startWorkflowRun({ requestId, request });
      if (json) printMessage(StartWorkflowRunResponseSchema, started);
      else {
        const known = started.disposition === Disposition.DUPLICATE ? ", which was there" : "";
        print(`run ${started.runId}${known} (request ${requestId})`);
      }
      if (options.watch) await watch(api, started.runId, 0n, json);
    });
    await started.catch((error: unknown) => {
      throw inOptions(error, options);
    });
  });
}

/** What a file says instead. */
const requestOptions = ["profile", "definition", "repository", "ref", "context", "workKind", "goal"] as const;

/** @throws CliError 2 with every fault */
function messageOf<D extends DescMessage>(schema: D, [document, second]: YamlDocument[], source: string) {
  if (document === undefined || second !== undefined)
    throw new CliError(2, `${source} must hold exactly one document, a ${schema.name}`);
  const checked = checkMessage(schema, document, []);
  if ("faults" in checked) throw new CliError(2, "nothing was asked for", { details: checked.faults });
  return checked.message;
}

function startFaults(options: StartOptions): Detail[] {
  const { file, profile, ref, repository } = options;
  const both = file === undefined ? [] : requestOptions.filter((name) => options[name] !== undefined);
  const faults: Detail[] = both.map((name) => ({
    field: `--${dashed(name)}`,
    rule: "excludes --file",
    remedy: "say it in the file",
  }));
  if (file === undefined && profile === undefined)
    faults.push({ field: "--profile", rule: "is required without --file", remedy: "name who judges the run" });
  if (file === undefined && options.context === undefined)
    faults.push({ field: "--context", rule: "is required without --file", remedy: "say what the run is about" });
  if (file === undefined && ref !== undefined && repository === undefined)
    faults.push({ field: "--ref", rule: "means nothing without --repository", remedy: "name the repository" });
  return faults;
}

function requestOfOptions(options: StartOptions): RunRequested {
  const { profile, definition, repository, ref, context = "", workKind, goal } = options;
  const request: MessageInitShape<typeof RunRequestedSchema> = {
    ...(definition === undefined ? {} : { definition: { id: definition } }),
    ...(repository === undefined ? {} : { repository: { id: repository, ref } }),
    profile: { id: profile },
    context: messageOf(MethodologyContextSchema, parseDocuments(context, "--context"), "--context"),
    workKind,
    goal,
  };
  return create(RunRequestedSchema, request);
}

/** Says of each reason that the api gave which option answers it. */
function inOptions(error: unknown, { file, workKind }: StartOptions): unknown {
  if (!(error instanceof CliError) || file !== undefined) return error;
  const remedyOf: Readonly<Record<string, string>> = {
    no_definition:
      workKind === undefined
        ? "give --definition ID, or --work-kind KIND where a rule or the profile says what that kind of work runs"
        : "give --definition ID, or another --work-kind: no rule and no binding of the profile knows this one",
  };
  const details = error.details.map((detail) => ({ ...detail, remedy: remedyOf[detail.code ?? ""] ?? detail.remedy }));
  return new CliError(error.exitCode, error.fault, { code: error.code, remedy: error.remedy, details, cause: error });
}

const dashed = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

function registerList(run: Command): void {
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

/** Why it ended so; before its end, what will or did happen to it. */
function reasonInList({ reason, endedAt, cancel, attempt }: RunJson): string {
  if (reason !== undefined || endedAt !== undefined) return reason ?? "";
  const told = [cancel === undefined ? "" : `cancel ${cancelText(cancel)}`, attemptText(attempt ?? {})];
  return told.filter((text) => text !== "").join("; ");
}

/** Prints the events of a run until its end; an end that is not COMPLETED fails the command. */
async function watch(api: ApiClient, runId: string, after: bigint, json: boolean): Promise<void> {
  const tell = createEventTeller();
  const end = await untilInterrupted((signal) =>
    followRun(api, {
      runId,
      after,
      signal,
      onEvent: (message) => {
        const event = toJson(RunEventSchema, message);
        if (json) return print(jsonText(event));
        const [first = "", ...more] = tell(event);
        const time = event.at === undefined ? "" : new Date(event.at).toISOString().slice(11, 23);
        print(`${tint("dim", `${(event.sequence ?? "").padStart(3)}  ${time}`)}  ${first}`);
        for (const line of more) print(`${" ".repeat(19)}${line}`);
      },
      onReconnect: (last, why) => printError(`connection lost after event ${last} (${why}); going on from there`),
    }),
  );
  if (end !== undefined && end !== RunStatus.COMPLETED) process.exitCode = 1;
}
