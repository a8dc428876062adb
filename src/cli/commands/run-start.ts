import { randomUUID } from "node:crypto";
import type { Command } from "commander";
import { Disposition } from "../../gen/workflows_runtime/v1/delivery_pb.ts";
import { StartWorkflowRunResponseSchema } from "../../gen/workflows_runtime/v1/workflow_service_pb.ts";
import { withApi } from "../ask/call-api.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import type { Detail } from "../cli-error.ts";
import { CliError } from "../cli-error.ts";
import type { RequestOptions } from "../read/run-request.ts";
import { printMessage } from "../show/output.ts";
import { print } from "../show/terminal.ts";
import { withCheck, withExample } from "../usage/explain-usage.ts";

interface StartOptions extends ScopeOptions, RequestOptions {
  file?: string;
  requestId?: string;
  watch?: boolean;
}

/** `automation run start`: asks for a run. */
export function defineStart(run: Command): void {
  const command = run
    .command("start")
    .description("request a run, by a file or by options")
    .option(
      "-f, --file <path>",
      "YAML or JSON of automation.v1.RunRequested, the payload of an event; - for standard input",
    )
    .option("--request-id <id>", "id of the request: the same id again returns the same run; default: a new id")
    .option("--profile <id>", "methodology profile that judges the run, newest version")
    .option("--definition <id>", "automation to run, channel stable; else a rule or the profile decides")
    .option("--repository <id>", "repository worked on; else the plan's")
    .option("--ref <name>", "branch, tag or commit to begin from; else the repository's default; needs --repository")
    .option(
      "--context <yaml>",
      "what the run is about: YAML or JSON of automation.v1.MethodologyContext, for example '{scrum: {sprint: S-7}}'",
    )
    .option("--work-kind <kind>", "the methodology's word for the item, for example story")
    .option("--goal <text>", "what the run should achieve")
    .option("--watch", "follow the run until it ends; exit 0 when it COMPLETED, else 1");
  withExample(
    withCheck(withScope(command), startFaults),
    "--profile scrum-team-tested --definition story-repair --context '{scrum: {sprint: S-7, backlogItems: [PBI-44]}}' --watch --tenant acme --org retail",
  ).action(async (options: StartOptions) => {
    const { requestOfFile, requestOfOptions } = await import("../read/run-request.ts");
    const request = options.file === undefined ? requestOfOptions(options) : requestOfFile(options.file);
    const started = withApi(options, "operator", async (api, { json }) => {
      const requestId = options.requestId ?? randomUUID();
      const started = await api.workflows.startWorkflowRun({ requestId, request });
      if (json) printMessage(StartWorkflowRunResponseSchema, started);
      else {
        const known = started.disposition === Disposition.DUPLICATE ? ", which was there" : "";
        print(`run ${started.runId}${known} (request ${requestId})`);
      }
      if (!options.watch) return;
      const { watchRun } = await import("./run-watch.ts");
      await watchRun(api, started.runId, 0n, json);
    });
    await started.catch((error: unknown) => {
      throw inOptions(error, options);
    });
  });
}

/** Options that --file replaces. */
const requestOptions = ["profile", "definition", "repository", "ref", "context", "workKind", "goal"] as const;

function startFaults(options: StartOptions): Detail[] {
  const { file, profile, ref, repository, context } = options;
  const both = file === undefined ? [] : requestOptions.filter((name) => options[name] !== undefined);
  const faults: Detail[] = both.map((name) => ({
    field: `--${dashed(name)}`,
    rule: "excludes --file",
    remedy: "say it in the file",
  }));
  if (file === undefined && profile === undefined)
    faults.push({ field: "--profile", rule: "is required without --file", remedy: "name who judges the run" });
  if (file === undefined && context === undefined)
    faults.push({ field: "--context", rule: "is required without --file", remedy: "say what the run is about" });
  if (file === undefined && ref !== undefined && repository === undefined)
    faults.push({ field: "--ref", rule: "means nothing without --repository", remedy: "name the repository" });
  return faults;
}

/** Replaces remedies of the api by the option to use. */
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
