import { toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { Argument, Option } from "commander";
import { Disposition, RequestDeliverySchema } from "../../gen/workflows_runtime/v1/delivery_pb.ts";
import { ExplainRunRequestResponseSchema } from "../../gen/workflows_runtime/v1/request_service_pb.ts";
import { withApi } from "../ask/call-api.ts";
import { namedRequest } from "../ask/named-request.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import { reasonText } from "../show/event-lines.ts";
import { explainLines } from "../show/explain-lines.ts";
import { listUpTo, printList, printMessage, shortName, shortTime } from "../show/output.ts";
import { print } from "../show/terminal.ts";
import { asTyped, defineNamed } from "../usage/as-typed.ts";
import { limitOption } from "../usage/options.ts";
import { defineReplay } from "./request-replay.ts";

/** `automation request`: requests, and what became of them. */
export function define(request: Command): void {
  const named = Object.keys(Disposition)
    .filter((name) => name !== "UNSPECIFIED")
    .map((name) => name.toLowerCase());
  const list = request
    .command("list")
    .description("list deliveries with their disposition, newest first")
    .addOption(new Option("--disposition <disposition>", "deliveries with this disposition").choices(named))
    .option("--event-id <id>", "deliveries of this event, or of this request id")
    .addOption(limitOption());
  const explain = request
    .command("explain")
    .description("tell why an event did, or did not, become a run, and what became of the run")
    .addArgument(new Argument("<id>", "id of the event, or of the request"))
    .option("--source <uri>", "source of the event, when several used the id");
  defineReplay(request);
  withScope(explain).action((id: string, options: ScopeOptions & { source?: string }, command: Command) =>
    withApi(options, "viewer", async (api, { json }) => {
      const explained = await namedRequest(id, options.source, (named) => api.requests.explainRunRequest(named));
      if (json) return printMessage(ExplainRunRequestResponseSchema, explained);
      const told = toJson(ExplainRunRequestResponseSchema, explained);
      await defineNamed(JSON.stringify(told.delivery?.reasons ?? []), command);
      for (const line of explainLines(told)) print(asTyped(line, command));
    }),
  );
  withScope(list).action(
    (options: ScopeOptions & { disposition?: string; eventId?: string; limit: number }, command: Command) =>
      withApi(options, "viewer", async (api, { json }) => {
        const disposition = Disposition[options.disposition?.toUpperCase() as keyof typeof Disposition];
        const listed = await listUpTo(options.limit, async (pageSize, pageToken) => {
          const asked = { disposition, eventId: options.eventId, pageSize, pageToken };
          const { deliveries, nextPageToken } = await api.requests.listRunRequests(asked);
          return { items: deliveries, nextPageToken };
        });
        await defineNamed(JSON.stringify(listed.items.map(({ reasons }) => reasons)), command);
        printList(json, RequestDeliverySchema, listed, [
          { title: "RECEIVED", of: ({ receivedAt }) => shortTime(receivedAt) },
          { title: "DISPOSITION", of: (row) => shortName(row.disposition, "DISPOSITION_").toLowerCase() },
          { title: "EVENT", of: ({ eventId }) => eventId },
          { title: "SOURCE", of: ({ source }) => source },
          { title: "RUN", of: ({ runId }) => runId },
          { title: "POSITION", of: ({ position }) => position },
          { title: "DROPPED FIELDS", of: ({ droppedFields }) => droppedFields?.join(" ") },
          {
            title: "REASONS",
            of: ({ reasons }) => reasons?.map((reason) => asTyped(reasonText(reason), command)).join("; "),
          },
        ]);
      }),
  );
}
