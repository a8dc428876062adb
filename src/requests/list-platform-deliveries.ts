import type {
  ListPlatformDeliveriesRequest,
  ListPlatformDeliveriesResponseJson,
} from "../gen/workflows_runtime/v1/request_service_pb.ts";
import { platformScope } from "../tenancy/bind-scope.ts";
import { decodePageToken, encodePageToken, pageSizeOf } from "../tenancy/page-token.ts";
import type { InScope } from "../tenancy/transaction.ts";
import { listPlatformRows } from "./quarantine-store.ts";

export type ListPlatformDeliveries = (
  request: ListPlatformDeliveriesRequest,
) => Promise<ListPlatformDeliveriesResponseJson>;

/** Lists the deliveries that belong to no tenant, newest first. @throws InvalidPageTokenError */
export function createListPlatformDeliveries(deps: { readonly inScope: InScope }): ListPlatformDeliveries {
  return async ({ eventId, pageSize, pageToken }) => {
    const after = decodePageToken(pageToken);
    const size = pageSizeOf(pageSize);
    const rows = await deps.inScope(platformScope, (transaction) =>
      listPlatformRows(transaction, eventId === "" ? null : eventId, after, size + 1),
    );
    const page = rows.slice(0, size);
    const last = page.at(-1);
    return {
      deliveries: page.map(({ cursorId: _, receivedAt, ...row }) => ({ ...row, receivedAt: receivedAt.toISOString() })),
      nextPageToken:
        rows.length > size && last !== undefined ? encodePageToken({ at: last.receivedAt, id: last.cursorId }) : "",
    };
  };
}
