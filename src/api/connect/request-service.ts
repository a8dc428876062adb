import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type { ExplainRequest } from "../../admission/explain-request.ts";
import type { createHoldQueue, createReleaseQueue } from "../../admission/hold-queue.ts";
import type { createListQueue } from "../../admission/list-queue.ts";
import { QueueSelectionSchema } from "../../gen/workflows_runtime/v1/queue_hold_pb.ts";
import type { RequestService } from "../../gen/workflows_runtime/v1/request_service_pb.ts";
import {
  ExplainRunRequestResponseSchema,
  HoldQueueResponseSchema,
  ListPlatformDeliveriesResponseSchema,
  ListQueueResponseSchema,
  ListRunRequestsResponseSchema,
  ReplayRunRequestResponseSchema,
} from "../../gen/workflows_runtime/v1/request_service_pb.ts";
import type { ListPlatformDeliveries } from "../../requests/list-platform-deliveries.ts";
import type { ListRequests } from "../../requests/list-requests.ts";
import type { ReplayRequest } from "../../requests/replay-request.ts";
import { answerOf } from "./answer-of.ts";
import { principalOf } from "./interceptors/request-context.ts";

/** The ledger of requests, and the runs that wait. */
export function createRequestService(deps: {
  readonly listRequests: ListRequests;
  readonly explainRequest: ExplainRequest;
  readonly replayRequest: ReplayRequest;
  readonly listPlatformDeliveries: ListPlatformDeliveries;
  readonly listQueue: ReturnType<typeof createListQueue>;
  readonly holdQueue: ReturnType<typeof createHoldQueue>;
  readonly releaseQueue: ReturnType<typeof createReleaseQueue>;
}): ServiceImpl<typeof RequestService> {
  return {
    listRunRequests: async (request, context) =>
      answerOf(ListRunRequestsResponseSchema, await deps.listRequests(request, principalOf(context))),
    explainRunRequest: async (request, context) =>
      answerOf(ExplainRunRequestResponseSchema, await deps.explainRequest(request, principalOf(context))),
    replayRunRequest: async (request, context) =>
      answerOf(ReplayRunRequestResponseSchema, await deps.replayRequest(request, principalOf(context))),
    listPlatformDeliveries: async (request) =>
      answerOf(ListPlatformDeliveriesResponseSchema, await deps.listPlatformDeliveries(request)),
    holdQueue: async ({ what, reason }, context) =>
      answerOf(HoldQueueResponseSchema, {
        hold: await deps.holdQueue(what ?? create(QueueSelectionSchema), reason, principalOf(context)),
      }),
    releaseQueue: async ({ what }, context) => {
      await deps.releaseQueue(what ?? create(QueueSelectionSchema), principalOf(context));
      return {};
    },
    listQueue: async (_, context) => answerOf(ListQueueResponseSchema, await deps.listQueue(principalOf(context))),
  };
}
