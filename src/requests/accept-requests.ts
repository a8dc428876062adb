import type { DecideByDeclarations, Declarations } from "../definitions/declarations.ts";
import type { Reason } from "../definitions/rejection-reason.ts";
import { reason } from "../definitions/rejection-reason.ts";
import type { InTransaction } from "../tenancy/transaction.ts";
import { cutText, storable } from "../text/strangers-text.ts";
import { buildRow } from "./build-row.ts";
import type { SourceBinding } from "./check-source.ts";
import { checkSource, ownerOf } from "./check-source.ts";
import type { Claims, CloudEvent } from "./cloudevent.ts";
import { decodeCloudEvent } from "./cloudevent.ts";
import type { OperatorRules } from "./decide-request.ts";
import { decideRequest } from "./decide-request.ts";
import type { Delivery } from "./delivery.ts";
import { quarantineRecord } from "./outbox-record.ts";
import type { QuarantinedRow } from "./quarantine-store.ts";
import { recordQuarantined } from "./quarantine-store.ts";
import { identityKey, recordDigest } from "./request-identity.ts";
import type { RequestRow } from "./request-store.ts";
import { recordRequests } from "./request-store.ts";

/** How many deliveries got which disposition. */
export type AcceptCounts = Readonly<
  Record<"accepted" | "duplicate" | "conflict" | "filtered" | "rejected" | "quarantined", number>
>;

export interface AcceptDeps {
  readonly inTransaction: InTransaction;
  readonly decideByDeclarations: DecideByDeclarations;
  readonly bindings: readonly SourceBinding[];
  readonly operator: OperatorRules;
  /** Whether Postgres refused the rows themselves (SQLSTATE class 22 or 23), as opposed to being away. */
  readonly isDataError: (error: unknown) => boolean;
  /** Told of a delivery that our own rules, or Postgres, failed on; it is quarantined, so that its neighbours go on. */
  readonly onDefect: (error: unknown, position: string) => void;
  readonly now: () => Date;
}

/**
 * Gives every delivery of a batch its disposition, in one transaction; the caller commits the offset only after this returns.
 * A row that Postgres can't keep is found by halving the batch and is quarantined; any other failure is thrown, and nothing was written.
 */
export type AcceptRequests = (deliveries: readonly Delivery[]) => Promise<AcceptCounts>;

export function createAcceptRequests(deps: AcceptDeps): AcceptRequests {
  const accept: AcceptRequests = async (deliveries) => {
    const sorted = deliveries.map((delivery) => sort(deps, delivery));
    try {
      return await write(deps, sorted);
    } catch (error) {
      if (!deps.isDataError(error)) throw error;
      const [only] = deliveries;
      if (deliveries.length === 1 && only !== undefined) return write(deps, [unstorable(deps, only, error)]);
      const middle = Math.ceil(deliveries.length / 2);
      const first = await accept(deliveries.slice(0, middle));
      return add(first, await accept(deliveries.slice(middle)));
    }
  };
  return accept;
}

type Sorted = { readonly event: CloudEvent; readonly delivery: Delivery } | { readonly quarantined: QuarantinedRow };

function sort({ bindings }: AcceptDeps, delivery: Delivery): Sorted {
  const decoded = decodeCloudEvent(delivery);
  if ("cause" in decoded)
    return { quarantined: quarantine(bindings, delivery, decoded.claims, decoded.cause, decoded.reasons) };
  const foreign = checkSource(bindings, delivery, decoded.event);
  const [first] = foreign;
  if (first !== undefined) return { quarantined: quarantine(bindings, delivery, decoded.event, first.code, foreign) };
  return { event: decoded.event, delivery };
}

async function write(deps: AcceptDeps, sorted: readonly Sorted[]): Promise<AcceptCounts> {
  const now = deps.now();
  const quarantined = sorted.flatMap((each) => ("quarantined" in each ? [each.quarantined] : []));
  const events = sorted.flatMap((each) => ("event" in each ? [each] : []));
  const decided = await decideAll(deps, events, now);
  const rows = decided.flatMap((each) => ("row" in each ? [each.row] : []));
  for (const each of decided) {
    if ("row" in each) continue;
    deps.onDefect(each.error, each.delivery.position);
    quarantined.push(undecidable(deps, each));
  }
  const seen = await deps.inTransaction(async (transaction) => {
    const [found] = await Promise.all([
      recordRequests(transaction, firstOfEach(rows), rows),
      recordQuarantined(transaction, quarantined),
    ]);
    return found;
  });
  const counts = { ...none, quarantined: quarantined.length };
  for (const { index, seen: what } of seen)
    counts[what === "first" ? (rows[index]?.disposition ?? "quarantined") : what] += 1;
  return counts;
}

type Asked = Extract<Sorted, { event: CloudEvent }>;
type Decided = { readonly row: RequestRow } | (Asked & { readonly error: unknown });

/** By what each tenant declares; our own rules failing on one event is no reason to hold up the others. */
async function decideAll(deps: AcceptDeps, events: readonly Asked[], now: Date): Promise<Decided[]> {
  if (events.length === 0) return [];
  const decisions = events.map(({ event, delivery }) => ({
    tenant: event.tenant,
    decide: (declarations: Declarations): Decided => {
      try {
        const decision = decideRequest(event, declarations, { operator: deps.operator, now });
        return { row: buildRow(event, decision, { position: delivery.position, now, delivery }) };
      } catch (error) {
        return { error, event, delivery };
      }
    },
  }));
  return deps.inTransaction((transaction) => deps.decideByDeclarations(transaction, decisions));
}

function firstOfEach(rows: readonly RequestRow[]): RequestRow[] {
  const first = new Map<string, RequestRow>();
  for (const row of rows) if (!first.has(identityKey(row))) first.set(identityKey(row), row);
  return [...first.values()];
}

/** What it claims is shown to whom `ownerOf` finds, and else to the operator alone. */
function quarantine(
  bindings: AcceptDeps["bindings"],
  delivery: Delivery,
  claims: Claims,
  cause: string,
  reasons: readonly Reason[],
): QuarantinedRow {
  const owner = ownerOf(bindings, delivery, claims);
  return {
    ...owner,
    position: delivery.position,
    recordDigest: recordDigest(delivery),
    cause,
    reasons,
    sizeBytes: delivery.body?.length ?? 0,
    source: shown(claims.source, 500),
    eventId: shown(claims.id, 200),
    eventType: shown(claims.type, 200),
    record: quarantineRecord(delivery, cause, reasons, owner?.tenant ?? null),
  };
}

const shown = (claimed = "", most: number): string => storable(cutText(claimed, most));

/** What Postgres says quotes its own statement, so it goes to the log alone. */
function unstorable({ bindings, onDefect }: AcceptDeps, delivery: Delivery, error: unknown): Sorted {
  onDefect(error, delivery.position);
  const decoded = decodeCloudEvent(delivery);
  const claims = "event" in decoded ? decoded.event : decoded.claims;
  return {
    quarantined: quarantine(bindings, delivery, claims, "unstorable", [
      reason(
        "unstorable",
        "data",
        "",
        "must be storable, and the database refused a value",
        "report it with this position; correct the value and send it again under a new event id",
      ),
    ]),
  };
}

/** The rules touch neither network nor disk: what they throw comes of the event, however long one waits. */
function undecidable({ bindings }: AcceptDeps, { event, delivery, error }: Asked & { error: unknown }): QuarantinedRow {
  const rule = `must be decidable: ${messageOf(error)}`;
  return quarantine(bindings, delivery, event, "undecidable", [
    reason("undecidable", "data", "", rule, "report it with this position; send it again once it is corrected"),
  ]);
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const none = { accepted: 0, duplicate: 0, conflict: 0, filtered: 0, rejected: 0, quarantined: 0 };

function add(left: AcceptCounts, right: AcceptCounts): AcceptCounts {
  const sum = { ...none };
  for (const key of Object.keys(none) as (keyof typeof none)[]) sum[key] = left[key] + right[key];
  return sum;
}
