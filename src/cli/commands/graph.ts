import type { Command } from "commander";
import { ElementSchema } from "../../gen/graph/v1/graph_service_pb.ts";
import { withApi } from "../ask/call-api.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import { refText } from "../show/event-lines.ts";
import { listUpTo, printList, shortTime } from "../show/output.ts";
import type { KindAndId } from "../usage/options.ts";
import { limitOption, refOption } from "../usage/options.ts";

/** `automation graph`: elements that runs left in the graph. */
export function define(graph: Command): void {
  const command = graph
    .command("list")
    .description("list the elements that are evidence of a reference")
    .addOption(refOption("for example backlog_item:PBI-1").makeOptionMandatory())
    .addOption(limitOption());
  withScope(command).action((options: ScopeOptions & { ref: KindAndId; limit: number }) =>
    withApi(options, "viewer", async (api, { json }) => {
      const listed = await listUpTo(options.limit, async (pageSize, pageToken) => {
        const page = await api.graph.listElements({ reference: options.ref, pageSize, pageToken });
        return { items: page.elements, nextPageToken: page.nextPageToken };
      });
      printList(json, ElementSchema, listed, [
        { title: "ELEMENT", of: ({ id }) => id },
        { title: "TYPE", of: ({ typeKey }) => typeKey },
        { title: "NAME", of: ({ name }) => name },
        { title: "VERSION", of: ({ latest }) => latest?.version },
        { title: "RUN", of: ({ latest }) => latest?.runId },
        { title: "CREATED", of: ({ latest }) => shortTime(latest?.createdAt) },
        {
          title: "EVIDENCES",
          of: ({ relationships }) => relationships?.map(({ target }) => refText(target ?? {})).join(" "),
        },
      ]);
    }),
  );
}
