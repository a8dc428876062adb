import type { ElementJson, ListElementsRequest, ListElementsResponseJson } from "../gen/graph/v1/graph_service_pb.ts";
import { decodePageToken, encodePageToken, pageSizeOf } from "../tenancy/page-token.ts";
import type { InScope, Scope } from "../tenancy/transaction.ts";
import type { ElementRow } from "./element-store.ts";
import { listElementsOf } from "./element-store.ts";

/** Elements with a relationship to a reference, each with its newest version, newest first. */
export function createListElements(deps: { readonly inScope: InScope }) {
  return async (request: ListElementsRequest, scope: Scope): Promise<ListElementsResponseJson> => {
    const target = { kind: request.reference?.kind ?? "", id: request.reference?.id ?? "" };
    const after = decodePageToken(request.pageToken);
    const size = pageSizeOf(request.pageSize);
    const rows = await deps.inScope(scope, (transaction) =>
      listElementsOf(transaction, scope.tenant, target, after, size + 1),
    );
    const page = rows.slice(0, size);
    const last = page.at(-1);
    const hasMore = rows.length > size && last !== undefined;
    const nextPageToken = hasMore ? encodePageToken({ at: last.createdAt, id: last.elementId }) : "";
    return { elements: page.map(toJson), nextPageToken };
  };
}

function toJson({ elementId: id, typeKey, name, relationships, ...latest }: ElementRow): ElementJson {
  const { version, runId, attachments, createdAt } = latest;
  return {
    id,
    typeKey,
    name,
    latest: { version, runId, attachments, createdAt: createdAt.toISOString() },
    relationships: [...relationships],
  };
}
