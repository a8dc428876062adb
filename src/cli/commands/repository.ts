import type { Command } from "commander";
import { RepositorySchema } from "../../gen/workflows_runtime/v1/repository_pb.ts";
import { withApi } from "../ask/call-api.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import { listUpTo, printList } from "../show/output.ts";
import { limitOption } from "../usage/options.ts";

/** `automation repository`: what work begins from. */
export function define(repository: Command): void {
  withScope(repository.command("list").description("list repositories by id"))
    .addOption(limitOption("by id"))
    .action((options: ScopeOptions & { limit: number }) =>
      withApi(options, "viewer", async (api, { json }) => {
        const listed = await listUpTo(options.limit, async (pageSize, pageToken) => {
          const page = await api.workflows.listRepositories({ pageSize, pageToken });
          return { items: page.repositories, nextPageToken: page.nextPageToken };
        });
        printList(json, RepositorySchema, listed, [
          { title: "REPOSITORY", of: ({ id }) => id },
          { title: "REF", of: ({ defaultRef }) => defaultRef },
          { title: "ORGS", of: ({ orgs = ["*"] }) => orgs.join(" ") },
          { title: "URL", of: ({ url }) => url },
        ]);
      }),
    );
}
