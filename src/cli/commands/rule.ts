import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create, toJson } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Command } from "commander";
import { Argument, Option } from "commander";
import type { ApiClient } from "../../client/api-client.ts";
import type { WorkflowRuleJson, WorkflowRuleVersion } from "../../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import { WorkflowRuleSchema, WorkflowRuleVersionSchema } from "../../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import type {
  TestWorkflowRuleRequestSchema,
  TestWorkflowRuleResponse,
} from "../../gen/workflows_runtime/v1/workflow_service_pb.ts";
import {
  PutWorkflowRuleResponseSchema,
  RetireWorkflowRuleResponseSchema,
  TestWorkflowRuleResponseSchema,
} from "../../gen/workflows_runtime/v1/workflow_service_pb.ts";
import { withApi } from "../ask/call-api.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import { CliError } from "../cli-error.ts";
import { readRuleDraft } from "../read/rule-draft.ts";
import { declarationText } from "../show/declaration-text.ts";
import { ruleText } from "../show/explain-lines.ts";
import { lineDifferences } from "../show/line-differences.ts";
import { listUpTo, printList, printMessage, shortTime } from "../show/output.ts";
import { ruleTestLines } from "../show/rule-test-lines.ts";
import { print, printError } from "../show/terminal.ts";
import { idAndVersion, limitOption, sinceTime, wholeNumber } from "../usage/options.ts";

type Rule = MessageShape<typeof WorkflowRuleSchema>;

/** `automation rule`: which definition a request is sent to. */
export function define(rule: Command): void {
  withScope(rule.command("list").description("list rules in the order in which they are tried"))
    .addOption(limitOption("in that order"))
    .action((options: ScopeOptions & { limit: number }) =>
      withApi(options, "viewer", async (api, { json }) => {
        const listed = await listUpTo(options.limit, async (pageSize, pageToken) => {
          const page = await api.workflows.listWorkflowRules({ pageSize, pageToken });
          return { items: page.rules, nextPageToken: page.nextPageToken };
        });
        printList(json, WorkflowRuleSchema, listed, [
          { title: "RULE", of: ({ id }) => id },
          { title: "VERSION", of: ({ version }) => version },
          { title: "PRIORITY", of: ({ priority = 0 }) => priority },
          { title: "SHADOW", of: ({ shadow }) => (shadow ? "yes" : "") },
          { title: "PROFILE", of: ({ profileId }) => profileId },
          { title: "DEFINITION", of: definitionText },
          { title: "ORGS", of: ({ orgs = ["*"] }) => orgs.join(" ") },
          { title: "WHEN", of: ({ when = "" }) => when.replaceAll(/\s+/g, " ") },
        ]);
      }),
    );
  withScope(rule.command("get").description("show a rule as `apply` takes it"))
    .addArgument(ruleArgument())
    .action((named: string, options: ScopeOptions) =>
      withApi(options, "viewer", async (api, { json }) => {
        const found = await findVersion(api, named);
        if (json) return printMessage(WorkflowRuleVersionSchema, found);
        const { version } = ruleOf(found);
        const heading = `version ${version}${found.retired ? ", retired" : ""}, by ${found.changedBy}`;
        print(specText(ruleOf(found), heading));
      }),
    );
  withScope(rule.command("history").description("list the versions of a rule, newest first"))
    .argument("<id>", "the rule")
    .addOption(limitOption())
    .action((id: string, options: ScopeOptions & { limit: number }) =>
      withApi(options, "viewer", async (api, { json }) => {
        const listed = await listUpTo(options.limit, async (pageSize, pageToken) => {
          const page = await api.workflows.listWorkflowRuleVersions({ id, pageSize, pageToken });
          return { items: page.versions, nextPageToken: page.nextPageToken };
        });
        printList(json, WorkflowRuleVersionSchema, listed, [
          { title: "VERSION", of: (each) => each.rule?.version },
          { title: "CHANGED", of: ({ changedAt }) => shortTime(changedAt) },
          { title: "BY", of: ({ changedBy }) => changedBy },
          { title: "RETIRED", of: ({ retired }) => (retired ? "yes" : "") },
          { title: "PRIORITY", of: (each) => each.rule?.priority ?? 0 },
          { title: "DEFINITION", of: (each) => definitionText(each.rule ?? {}) },
          { title: "WHEN", of: (each) => each.rule?.when?.replaceAll(/\s+/g, " ") },
        ]);
      }),
    );
  withScope(rule.command("diff").description("show what differs between two versions of a rule"))
    .argument("<id>", "the rule")
    .addArgument(new Argument("<from>", "the earlier version").argParser(wholeNumber(1, 2 ** 31 - 1)))
    .addArgument(new Argument("[to]", "the later version; default: the newest").argParser(wholeNumber(1, 2 ** 31 - 1)))
    .action((id: string, from: number, to: number | undefined, options: ScopeOptions) =>
      withApi(options, "viewer", async (api) => {
        const before = await findVersion(api, ruleText(id, from));
        const after = await findVersion(api, ruleText(id, to ?? 0));
        print(lineDifferences(stateText(before), stateText(after)).join("\n"));
      }),
    );
  withScope(
    rule.command("test").description("tell what a draft of a rule would change about requests that were recorded"),
  )
    .argument("<file>", "the draft, as `apply` takes it; it takes the place of the rule with its id")
    .addOption(
      new Option("--since <when>", "requests from here on: how long ago, such as 7d, or a time")
        .argParser(sinceTime(Date.now))
        .makeOptionMandatory(),
    )
    .addOption(new Option("--until <when>", "requests before this; default: now").argParser(sinceTime(Date.now)))
    .addOption(limitOption("newest first").default(1_000))
    .action((file: string, options: ScopeOptions & { since: number; until?: number; limit: number }) =>
      withApi(options, "viewer", async (api, { json }) => {
        const draft = readRuleDraft(file);
        const span = {
          since: timestampFromMs(options.since),
          until: timestampFromMs(options.until ?? Date.now()),
        };
        const tested = await testAll(api, { rule: draft, ...span }, options.limit);
        if (json) printMessage(TestWorkflowRuleResponseSchema, tested);
        else for (const line of ruleTestLines(toJson(TestWorkflowRuleResponseSchema, tested))) print(line);
        if (tested.nextPageToken !== "") printError("there are more requests; a greater --limit tests them");
      }),
    );
  withScope(rule.command("retire").description("let a rule match no further request; `apply` puts it again"))
    .argument("<id>", "the rule")
    .option("--expect <version>", "retire it only if this is its version", wholeNumber(1, 2 ** 31 - 1))
    .action((id: string, options: ScopeOptions & { expect?: number }) =>
      withApi(options, "admin", async (api, { json }) => {
        const answer = await api.workflows.retireWorkflowRule({ id, expectedVersion: options.expect });
        if (json) return printMessage(RetireWorkflowRuleResponseSchema, answer);
        print(`rule ${id} is retired, as version ${answer.version}`);
      }),
    );
  withScope(rule.command("rollback").description("put an earlier version of a rule again, as its next one"))
    .addArgument(new Argument("<rule>", "id@version"))
    .action((named: string, options: ScopeOptions) =>
      withApi(options, "admin", async (api, { json }) => {
        const { id, version } = idAndVersion(named);
        if (version === "")
          throw new CliError(2, `${named} names no version; give ${id}@VERSION of \`automation rule history\``);
        const now = ruleOf(await findVersion(api, id));
        const then = ruleOf(await findVersion(api, named));
        const answer = await api.workflows.putWorkflowRule({
          rule: { ...then, version: 0 },
          expectedVersion: now.version,
        });
        if (json) return printMessage(PutWorkflowRuleResponseSchema, answer);
        const how = answer.created
          ? `says again what version ${version} said`
          : `says what version ${version} said already`;
        print(`rule ${id} ${how}, as version ${answer.version}`);
      }),
    );
}

/** All pages together, up to so many requests. */
async function testAll(
  api: ApiClient,
  asked: MessageInitShape<typeof TestWorkflowRuleRequestSchema>,
  limit: number,
): Promise<TestWorkflowRuleResponse> {
  const all = create(TestWorkflowRuleResponseSchema);
  do {
    const pageSize = Math.min(200, limit - all.examined);
    const page = await api.workflows.testWorkflowRule({ ...asked, pageSize, pageToken: all.nextPageToken });
    all.examined += page.examined;
    all.matched += page.matched;
    all.failed += page.failed;
    all.changes.push(...page.changes);
    all.nextPageToken = page.nextPageToken;
  } while (all.nextPageToken !== "" && all.examined < limit);
  return all;
}

const ruleArgument = (): Argument => new Argument("<rule>", "its id, or id@version");

async function findVersion(api: ApiClient, named: string): Promise<WorkflowRuleVersion> {
  const { id, version } = idAndVersion(named);
  const found = await api.workflows.getWorkflowRule({
    id,
    version: version === "" ? 0 : wholeNumber(1, 2 ** 31 - 1)(version),
  });
  return found.version ?? create(WorkflowRuleVersionSchema);
}

const ruleOf = ({ rule }: WorkflowRuleVersion): Rule => rule ?? create(WorkflowRuleSchema);

/** As `apply` takes it: without the version, which the api gives. */
const specText = (rule: Rule, heading: string): string =>
  declarationText("WorkflowRule", WorkflowRuleSchema, { ...rule, version: 0 }, heading);

const stateText = (found: WorkflowRuleVersion): string[] =>
  specText(ruleOf(found), found.retired ? "retired" : "in force").split("\n");

function definitionText({ definition }: WorkflowRuleJson): string {
  if (definition === undefined) return "(the profile's)";
  return `${definition.id}@${definition.version ?? definition.channel ?? "stable"}`;
}
