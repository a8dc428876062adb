import type { ExplainRunRequestRequest } from "../gen/workflows_runtime/v1/request_service_pb.ts";
import type { Transaction } from "../tenancy/transaction.ts";
import { UnknownIdError } from "../tenancy/unknown-id-error.ts";
import { isUuid } from "../tenancy/uuid.ts";
import { shownText } from "../text/strangers-text.ts";
import type { DecisionRow } from "./decision-store.ts";
import { findDecisions } from "./decision-store.ts";
import type { DeliveryRow } from "./delivery-store.ts";
import { listDeliveries } from "./delivery-store.ts";

/** Neither a request nor a quarantined delivery of the scope has this id. */
class UnknownRequestError extends UnknownIdError {
  override readonly name = "UnknownRequestError";
  readonly code = "unknown_request";
  constructor(field: string, id: string) {
    super(field, id, {
      rule: "the id of a request or an event of this tenant and org",
      remedy:
        "`automation request list` shows them; what was quarantined may be under org `*`, or in `automation delivery list`",
    });
  }
}

/** Several sources used the event id. */
class AmbiguousEventError extends Error {
  override readonly name = "AmbiguousEventError";
  readonly code = "ambiguous_event";
  constructor(eventId: string, sources: readonly string[]) {
    const named = sources.map((source) => `"${shownText(source, 100)}"`).join(", ");
    super(`event_id "${shownText(eventId, 100)}" was used by ${named}; name one of them as the source`);
  }
}

/** How a request is named: by its id, or by the event's, with the source when several used it. */
export type NamedRequest = Pick<ExplainRunRequestRequest, "requestId" | "eventId" | "source">;

/** All decisions about the event, the first one first; or a delivery that made no request. */
export type FoundRequest =
  | { readonly decisions: readonly [DecisionRow, ...DecisionRow[]] }
  | { readonly quarantined: Omit<DeliveryRow, "cursorId"> };

/** @throws UnknownRequestError, AmbiguousEventError */
export async function findRequest(
  transaction: Transaction,
  tenant: string,
  named: NamedRequest,
): Promise<FoundRequest> {
  const { requestId, eventId, source } = named;
  const isKnowable = requestId === "" || isUuid(requestId);
  const key = requestId === "" ? { eventId, source: source === "" ? null : source } : { requestId };
  const [first, ...more] = isKnowable ? await findDecisions(transaction, tenant, key) : [];
  if (first !== undefined) {
    const sources = new Set([first, ...more].map((each) => each.source));
    if (sources.size > 1) throw new AmbiguousEventError(eventId, [...sources]);
    return { decisions: [first, ...more] };
  }
  if (requestId !== "") throw new UnknownRequestError("request_id", requestId);
  const filter = { disposition: "quarantined", eventId };
  const rows = await listDeliveries(transaction, tenant, filter, undefined, 100);
  const quarantined = rows.find((row) => source === "" || row.source === source);
  if (quarantined === undefined) throw new UnknownRequestError("event_id", eventId);
  return { quarantined };
}
