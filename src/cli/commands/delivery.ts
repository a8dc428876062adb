import type { Command } from "commander";
import { PlatformDeliverySchema } from "../../gen/workflows_runtime/v1/delivery_pb.ts";
import { withApi } from "../ask/call-api.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withAccess } from "../ask/scope.ts";
import { reasonText } from "../show/event-lines.ts";
import { listUpTo, printList, shortTime } from "../show/output.ts";
import { limitOption } from "../usage/options.ts";

/** `automation delivery`: deliveries from the bus that belong to no tenant; those of a tenant are in `automation request list`. */
export function define(delivery: Command): void {
  const command = delivery
    .command("list")
    .description("list quarantined deliveries of no tenant, newest first; needs a token of role platform")
    .option("--event-id <id>", "deliveries that claim to be this event")
    .addOption(limitOption());
  withAccess(command).action((options: ScopeOptions & { eventId?: string; limit: number }) =>
    withApi(options, "platform", async (api, { json }) => {
      const listed = await listUpTo(options.limit, async (pageSize, pageToken) => {
        const asked = { eventId: options.eventId, pageSize, pageToken };
        const { deliveries, nextPageToken } = await api.requests.listPlatformDeliveries(asked);
        return { items: deliveries, nextPageToken };
      });
      printList(json, PlatformDeliverySchema, listed, [
        { title: "RECEIVED", of: ({ receivedAt }) => shortTime(receivedAt) },
        { title: "EVENT", of: ({ eventId }) => eventId },
        { title: "SOURCE", of: ({ source }) => source },
        { title: "BYTES", of: ({ sizeBytes }) => String(sizeBytes ?? 0) },
        { title: "POSITION", of: ({ position }) => position },
        { title: "REASONS", of: ({ reasons }) => reasons?.map(reasonText).join("; ") },
      ]);
    }),
  );
}
