import type { Command } from "commander";
import { Argument } from "commander";
import type { WorkflowDefinitionJson } from "../../gen/workflows_runtime/v1/workflow_definition_pb.ts";
import { WorkflowDefinitionSchema } from "../../gen/workflows_runtime/v1/workflow_definition_pb.ts";
import {
  GetWorkflowVersionResponseSchema,
  PublishWorkflowVersionRequestSchema,
} from "../../gen/workflows_runtime/v1/workflow_service_pb.ts";
import { withApi } from "../ask/call-api.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import { CliError } from "../cli-error.ts";
import { declarationText } from "../show/declaration-text.ts";
import { listUpTo, printList, printMessage } from "../show/output.ts";
import { print } from "../show/terminal.ts";
import { idAndVersion, limitOption } from "../usage/options.ts";

/** `automation definition`: what runs may run. */
export function define(definition: Command): void {
  withScope(definition.command("list").description("list definitions by id"))
    .addOption(limitOption("by id"))
    .action((options: ScopeOptions & { limit: number }) =>
      withApi(options, "viewer", async (api, { json }) => {
        const listed = await listUpTo(options.limit, async (pageSize, pageToken) => {
          const page = await api.workflows.listWorkflowDefinitions({ pageSize, pageToken });
          return { items: page.definitions, nextPageToken: page.nextPageToken };
        });
        printList(json, WorkflowDefinitionSchema, listed, [
          { title: "DEFINITION", of: ({ id }) => id },
          { title: "NEWEST", of: ({ versions }) => versions?.at(-1) },
          { title: "VERSIONS", of: ({ versions }) => versions?.length },
          { title: "CHANNELS", of: channelsText },
          { title: "TITLE", of: ({ title }) => title },
        ]);
      }),
    );
  withScope(definition.command("get").description("show a version as `apply` takes it"))
    .addArgument(new Argument("<definition>", "its id, or id@version"))
    .option("--channel <name>", "the version of this channel; default: stable, unless a version is given")
    .action((named: string, options: ScopeOptions & { channel?: string }) =>
      withApi(options, "viewer", async (api, { json }) => {
        const { id, version } = idAndVersion(named);
        if (version !== "" && options.channel !== undefined)
          throw new CliError(2, `${named} names a version, --channel ${options.channel} another: give one of them`);
        const selector =
          version === ""
            ? { case: "channel" as const, value: options.channel ?? "stable" }
            : { case: "version" as const, value: version };
        const found = await api.workflows.getWorkflowVersion({ definition: { id, selector } });
        if (json) return printMessage(GetWorkflowVersionResponseSchema, found);
        const { digest, $typeName: _, ...spec } = found;
        print(declarationText("WorkflowDefinition", PublishWorkflowVersionRequestSchema, spec, `sha256:${digest}`));
      }),
    );
}

const channelsText = ({ channels = [] }: WorkflowDefinitionJson): string =>
  channels.map(({ channel, version }) => `${channel}=${version}`).join(" ");
