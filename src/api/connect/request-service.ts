import { fromJson } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type { createListQueue } from "../../admission/list-queue.ts";
import type { RequestService } from "../../gen/workflows_runtime/v1/request_service_pb.ts";
import {
  ListPlatformDeliveriesResponseSchema,
  ListQueueResponseSchema,
  ListRunRequestsResponseSchema,
} from "../../gen/workflows_runtime/v1/request_service_pb.ts";
import type { ListPlatformDeliveries } from "../../requests/list-platform-deliveries.ts";
import type { ListRequests } from "../../requests/list-requests.ts";
import { principalOf } from "./interceptors/request-context.ts";

const stored = { ignoreUnknownFields: true };

/** The ledger of requests, and the runs that wait. */
export function createRequestService(deps: {
  readonly listRequests: ListRequests;
  readonly listPlatformDeliveries: ListPlatformDeliveries;
  readonly listQueue: ReturnType<typeof createListQueue>;
}): ServiceImpl<typeof RequestService> {
  return {
    listRunRequests: async (request, context) =>
      fromJson(ListRunRequestsResponseSchema, await deps.listRequests(request, principalOf(context)), stored),
    listPlatformDeliveries: async (request) =>
      fromJson(ListPlatformDeliveriesResponseSchema, await deps.listPlatformDeliveries(request), stored),
    listQueue: async (_, context) =>
      fromJson(ListQueueResponseSchema, await deps.listQueue(principalOf(context)), stored),
  };
}
