import type { Command } from "commander";
import { WorkflowRuleSchema } from "../../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import { withApi } from "../ask/call-api.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import { listUpTo, printList } from "../show/output.ts";
import { limitOption } from "../usage/options.ts";

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
          { title: "PRIORITY", of: ({ priority = 0 }) => priority },
          { title: "PROFILE", of: ({ profileId }) => profileId },
          {
            title: "DEFINITION",
            of: ({ definition: { id, version, channel = "stable" } = {} }) => `${id}@${version ?? channel}`,
          },
          { title: "ORGS", of: ({ orgs = ["*"] }) => orgs.join(" ") },
        ]);
      }),
    );
}
