import type { ServiceImpl } from "@connectrpc/connect";
import type { GraphService } from "../../gen/graph/v1/graph_service_pb.ts";
import { ListElementsResponseSchema } from "../../gen/graph/v1/graph_service_pb.ts";
import type { createListElements } from "../../graph/list-elements.ts";
import { answerOf } from "./answer-of.ts";
import { principalOf } from "./interceptors/request-context.ts";

/** What runs left in the embedded graph. */
export function createGraphService(deps: {
  readonly listElements: ReturnType<typeof createListElements>;
}): ServiceImpl<typeof GraphService> {
  return {
    listElements: async (request, context) =>
      answerOf(ListElementsResponseSchema, await deps.listElements(request, principalOf(context))),
  };
}
