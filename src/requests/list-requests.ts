import type { DispositionJson, RequestDeliveryJson } from "../gen/workflows_runtime/v1/delivery_pb.ts";
import { Disposition } from "../gen/workflows_runtime/v1/delivery_pb.ts";
import type {
  ListRunRequestsRequest,
  ListRunRequestsResponseJson,
} from "../gen/workflows_runtime/v1/request_service_pb.ts";
import { decodePageToken, encodePageToken, pageSizeOf } from "../tenancy/page-token.ts";
import type { InScope, Scope } from "../tenancy/transaction.ts";
import type { DeliveryRow } from "./delivery-store.ts";
import { listDeliveries } from "./delivery-store.ts";

export type ListRequests = (request: ListRunRequestsRequest, scope: Scope) => Promise<ListRunRequestsResponseJson>;

/** Lists the deliveries of the tenant with their dispositions, newest first. @throws InvalidPageTokenError */
export function createListRequests(deps: { readonly inScope: InScope }): ListRequests {
  return async (request, scope) => {
    const after = decodePageToken(request.pageToken);
    const size = pageSizeOf(request.pageSize);
    const filter = {
      disposition: names.get(request.disposition) ?? null,
      eventId: request.eventId === "" ? null : request.eventId,
    };
    const rows = await deps.inScope(scope, (transaction) =>
      listDeliveries(transaction, scope.tenant, filter, after, size + 1),
    );
    const page = rows.slice(0, size);
    const last = page.at(-1);
    return {
      deliveries: page.map(deliveryToJson),
      nextPageToken:
        rows.length > size && last !== undefined ? encodePageToken({ at: last.receivedAt, id: last.cursorId }) : "",
    };
  };
}

/** The disposition as it is stored; null for the unspecified one, which matches all. */
const names: ReadonlyMap<number, string> = new Map(
  Object.entries(Disposition)
    .filter(([, value]) => value !== Disposition.UNSPECIFIED)
    .map(([name, value]) => [value, name.toLowerCase()]),
);

/** A delivery in the form of the api. */
export function deliveryToJson(row: Omit<DeliveryRow, "cursorId">): RequestDeliveryJson {
  const { receivedAt, requestId, runId, disposition, source, eventId, eventType, reasons, droppedFields, position } =
    row;
  return {
    ...{ source, eventId, eventType, reasons, droppedFields, position },
    requestId: requestId ?? "",
    disposition: `DISPOSITION_${disposition.toUpperCase()}` as DispositionJson,
    runId: runId ?? "",
    receivedAt: receivedAt.toISOString(),
  };
}
