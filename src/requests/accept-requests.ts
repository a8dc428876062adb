import type { DecideByDeclarations, Declarations } from "../definitions/declarations.ts";
import { deliveryDecided } from "../telemetry/metrics/request-metrics.ts";
import { beginAccept } from "../telemetry/run-spans.ts";
import type { InTransaction, Transaction } from "../tenancy/transaction.ts";
import { buildRow } from "./build-row.ts";
import type { SourceBinding } from "./check-source.ts";
import { checkSource } from "./check-source.ts";
import type { CloudEvent } from "./cloudevent.ts";
import { decodeCloudEvent } from "./cloudevent.ts";
import type { OperatorRules } from "./decide-request.ts";
import { decideRequest } from "./decide-request.ts";
import type { Delivery } from "./delivery.ts";
import { eventsOf } from "./event-batch.ts";
import { quarantine, undecidable, unstorable } from "./quarantine-delivery.ts";
import type { QuarantinedRow } from "./quarantine-store.ts";
import { recordQuarantined } from "./quarantine-store.ts";
import { recordRequests } from "./record-requests.ts";
import type { RequestRow } from "./request-store.ts";

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
  /** Called for a delivery on which our rules or Postgres failed; it is quarantined, and its neighbours go on. */
  readonly onDefect: (error: unknown, position: string) => void;
  readonly now: () => Date;
}

/**
 * Gives every event of every delivery its disposition, in one transaction; the caller commits the offset only after this returns.
 * A row that Postgres refuses is found by halving the batch, and is quarantined. Any other failure is thrown, and nothing was written.
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
      if (deliveries.length === 1 && only !== undefined) {
        deps.onDefect(error, only.position); // what Postgres says quotes its own statement, so it goes to the log alone
        return write(deps, [{ quarantined: unstorable(deps, only) }]);
      }
      const middle = Math.ceil(deliveries.length / 2);
      const first = await accept(deliveries.slice(0, middle));
      return add(first, await accept(deliveries.slice(middle)));
    }
  };
  return (deliveries) => accept(deliveries.flatMap(eventsOf));
}

type Sorted = { readonly event: CloudEvent; readonly delivery: Delivery } | { readonly quarantined: QuarantinedRow };

function sort(deps: AcceptDeps, delivery: Delivery): Sorted {
  const decoded = decodeCloudEvent(delivery);
  if ("cause" in decoded)
    return { quarantined: quarantine(deps, delivery, decoded.claims, decoded.cause, decoded.reasons) };
  const foreign = checkSource(deps.bindings, delivery, decoded.event);
  const [first] = foreign;
  if (first !== undefined) return { quarantined: quarantine(deps, delivery, decoded.event, first.code, foreign) };
  return { event: decoded.event, delivery };
}

async function write(deps: AcceptDeps, sorted: readonly Sorted[]): Promise<AcceptCounts> {
  const now = deps.now();
  const quarantined = sorted.flatMap((each) => ("quarantined" in each ? [each.quarantined] : []));
  const events = sorted.flatMap((each) => ("event" in each ? [each] : []));
  const { rows, seen } = await deps.inTransaction(async (transaction) => {
    const decided = await decideAll(deps, transaction, events, now);
    for (const each of decided) {
      if ("row" in each) continue;
      deps.onDefect(each.error, each.delivery.position);
      quarantined.push(undecidable(deps, each.delivery, each.event, each.error));
    }
    const decidedRows = decided.flatMap((each) => ("row" in each ? [each] : []));
    const [found] = await Promise.all([
      recordRequests(
        transaction,
        decidedRows.map(({ row }) => row),
        now,
      ),
      recordQuarantined(transaction, quarantined),
    ]);
    return { rows: decidedRows, seen: found };
  });
  const counts = { ...none, quarantined: quarantined.length };
  for (const { reasons } of quarantined) deliveryDecided("quarantined", reasons[0]?.code ?? "");
  const sinceMs = (at: Date | undefined) => (at === undefined ? undefined : deps.now().getTime() - at.getTime());
  for (const { index, seen: what } of seen) {
    const disposition = what === "first" ? (rows[index]?.row.disposition ?? "quarantined") : what;
    counts[disposition] += 1;
    const decided = rows[index];
    if (decided === undefined) continue;
    const { row, accepting, producedAt } = decided;
    accepting.end(disposition, row.run?.run);
    deliveryDecided(disposition, what === "first" ? (row.reasons[0]?.code ?? "") : "", sinceMs(producedAt));
  }
  return counts;
}

type Asked = Extract<Sorted, { event: CloudEvent }>;
type Decided =
  | {
      readonly row: RequestRow;
      readonly accepting: ReturnType<typeof beginAccept>;
      readonly producedAt: Date | undefined;
    }
  | (Asked & { readonly error: unknown });

/** Decides by what each tenant declares. A defect of our rules concerns one event and does not hold up the others. */
async function decideAll(
  deps: AcceptDeps,
  transaction: Transaction,
  events: readonly Asked[],
  now: Date,
): Promise<Decided[]> {
  if (events.length === 0) return [];
  const decisions = events.map(({ event, delivery }) => ({
    tenant: event.tenant,
    decide: (declarations: Declarations): Decided => {
      try {
        const decision = decideRequest(event, declarations, { operator: deps.operator, now });
        const accepting = beginAccept(event, { at: now, producedAt: delivery.producedAt });
        const { position } = delivery;
        return {
          row: buildRow(event, decision, { position, now, delivery, trace: accepting.trace }),
          accepting,
          producedAt: delivery.producedAt,
        };
      } catch (error) {
        return { error, event, delivery };
      }
    },
  }));
  return deps.decideByDeclarations(transaction, decisions);
}

const none = { accepted: 0, duplicate: 0, conflict: 0, filtered: 0, rejected: 0, quarantined: 0 };

function add(left: AcceptCounts, right: AcceptCounts): AcceptCounts {
  const sum = { ...none };
  for (const key of Object.keys(none) as (keyof typeof none)[]) sum[key] = left[key] + right[key];
  return sum;
}
